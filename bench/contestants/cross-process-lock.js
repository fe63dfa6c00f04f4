// A file with a process id in it. It polls every 500 ms, which can't be changed, and gives up after 10 s, which can.
import { lock } from 'cross-process-lock'

export function open(path) {
  return { acquire: () => lock(path, { waitTimeout: 3_600_000 }), release: (unlock) => unlock() }
}
