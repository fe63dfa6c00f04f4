// Within one process.
import { Mutex } from 'async-mutex'

export function open() {
  const mutex = new Mutex()
  return { acquire: () => mutex.acquire(), release: (release) => release() }
}
