#!/usr/bin/env node
/** The command `slocket`. `run` is loaded at once, since scripts wait for it; the rest when it is asked for. */
import { UsageError, statusOf } from './exit-status.ts'
import { say } from './output.ts'
import { run } from './run.ts'

const [command, ...parameters] = process.argv.slice(2)
// What others are shown of this process.
process.argv = ['slocket', ...process.argv.slice(2)]

try {
  await dispatch(command, parameters)
} catch (error) {
  say(`${command === undefined ? '' : `${command}: `}${(error as Error).message}`)
  if (error instanceof UsageError) say(`try 'slocket ${command ?? ''} --help'`)
  process.exit(statusOf(error))
}

async function dispatch(name: string | undefined, rest: readonly string[]): Promise<void> {
  if (name === 'run' && !rest.includes('--help')) return await run(rest)
  throw new UsageError(`unknown command`)
}
