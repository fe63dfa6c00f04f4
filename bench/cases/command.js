// Not measured yet: slocket has no command. When it has, a contestant of its own goes beside `flock`, and `leftOut` goes.
import { join } from 'node:path'
import { now } from '../clock.js'
import { run } from '../processes.js'

const COMMANDS = { flock: (path) => ['flock', [path, 'true']] }

export const command = {
  name: 'command',
  title: 'A command run under the lock, from its start to its end',
  leftOut: 'slocket has no command yet',
  points: () => ['all'],
  contestants: () => Object.keys(COMMANDS),
  async measure({ contestant, directory }) {
    const [program, parameters] = COMMANDS[contestant](join(directory, 'lock'))
    const from = now()
    await run(program, parameters)
    return { time: now() - from }
  },
  columns: [{ metric: 'time', title: 'a run', unit: 'ms', less: true }],
  plots: [],
}
