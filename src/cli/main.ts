#!/usr/bin/env node
/** The command `slocket`. `run` is loaded at once, since scripts wait for it; the rest when it is asked for. */
import { statusOf, UsageError } from './exit-status.ts'
import { say } from './output.ts'
import { run } from './run.ts'

const [, program = '', command, ...parameters] = process.argv
// What others are shown of this process.
process.argv = ['slocket', ...process.argv.slice(2)]

try {
  const [first] = parameters
  if (command === 'run' && first !== '--help' && first !== '-h') await run(parameters)
  else process.exitCode = await (await import('./commands.ts')).runCommandNamed(command, parameters, program)
} catch (error) {
  say(`${command === undefined ? '' : `${command}: `}${(error as Error).message}`)
  if (error instanceof UsageError) say(`try 'slocket help${command === 'run' ? ' run' : ''}'`)
  process.exit(statusOf(error))
}
