import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { now } from '../clock.js'
import { BARE_NODE, SLOCKET, SPAWNING_NODE } from '../contestants/index.js'
import { run } from '../processes.js'
import { median } from '../statistics.js'

const PROGRAM = fileURLToPath(new URL('../../dist/cli/main.cjs', import.meta.url))

/** What every command that Node is has to do. */
const SPAWN = `require('node:child_process').spawn('true', { stdio: 'inherit' }).on('exit', process.exit)`

/** How each runs `true` under the lock. The floors have none: one runs `true`, the other nothing. */
const COMMANDS = {
  [SLOCKET]: (path) => [process.execPath, [PROGRAM, 'run', '-n', path, '--', 'true']],
  flock: (path) => ['flock', ['-n', path, 'true']],
  [SPAWNING_NODE]: () => [process.execPath, ['-e', SPAWN]],
  [BARE_NODE]: () => [process.execPath, ['-e', '0']],
}

export const command = {
  name: 'command',
  title: 'A command run under a lock that is free, from its start to its end',
  points: () => ['all'],
  contestants: () => Object.keys(COMMANDS),
  async measure({ contestant, directory, settings }) {
    const [program, parameters] = COMMANDS[contestant](join(directory, 'lock'))
    const times = []
    for (let done = 0; done < settings.command.runs; done += 1) {
      const from = now()
      await run(program, parameters)
      times.push(now() - from)
    }
    return { time: median(times) }
  },
  columns: [{ metric: 'time', title: 'a run', unit: 'ms', less: true }],
  plots: [{ metric: 'time', title: 'A command under a free lock: ms, less is better' }],
}
