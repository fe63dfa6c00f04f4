import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { now } from '../clock.js'
import {
  BARE_NODE,
  DROP_IN,
  FLOCK,
  FS_NATIVE_EXTENSIONS,
  LOCKFILE,
  prepare,
  PROPER_LOCKFILE,
  SLOCKET,
  SPAWNING_NODE,
  SYSTEM_CALLS,
} from '../contestants/index.js'
import { run, scriptPath } from '../processes.js'
import { median } from '../statistics.js'

const PROGRAM = fileURLToPath(new URL('../../dist/cli/main.cjs', import.meta.url))
const SCRIPT = 'script'

/** What each command for Node must do. */
const SPAWN = `require('node:child_process').spawn('true', { stdio: 'inherit' }).on('exit', process.exit)`

/** How each command runs `true` under the lock. The floors have no lock: one makes the system calls of a lock and runs `true`, one only runs `true`, the last does nothing. */
const COMMANDS = {
  [SLOCKET]: (path) => [process.execPath, [PROGRAM, 'run', path, '--', 'true']],
  [FLOCK]: (path) => ['flock', [path, 'true']],
  [SYSTEM_CALLS]: (path) => [process.execPath, [scriptPath('spawn-under-lock.cjs'), path, 'true']],
  [SPAWNING_NODE]: () => [process.execPath, ['-e', SPAWN]],
  [BARE_NODE]: () => [process.execPath, ['-e', '0']],
}
const IN_SCRIPTS = [SLOCKET, DROP_IN, PROPER_LOCKFILE, LOCKFILE, FS_NATIVE_EXTENSIONS, BARE_NODE]

export const command = {
  name: 'command',
  title: 'A process from its start to its end: a command under a free lock; and a script that locks once',
  points: () => ['command', SCRIPT],
  pointTitle: (point) => (point === SCRIPT ? 'a script that locks once' : 'a command under a lock'),
  contestants: (point) => (point === SCRIPT ? IN_SCRIPTS : Object.keys(COMMANDS)),
  // Few at a time, but often: the start of a process may take twice as long from one minute to the next.
  repeat: ({ command: { repeat } }) => repeat,
  async measure({ contestant, point, directory, settings }) {
    const path = join(directory, 'lock')
    if (point === SCRIPT) prepare(contestant, path)
    const [program, parameters] =
      point === SCRIPT && contestant !== BARE_NODE
        ? [process.execPath, [scriptPath('script.js'), contestant, path]]
        : COMMANDS[contestant](path)
    const times = []
    for (let done = 0; done < settings.command.runs; done += 1) {
      const from = now()
      await run(program, parameters)
      times.push(now() - from)
    }
    return { time: median(times) }
  },
  columns: [{ metric: 'time', title: 'a run', unit: 'ms', less: true }],
  plots: [{ metric: 'time', title: 'A process from its start to its end: ms, less is better' }],
}
