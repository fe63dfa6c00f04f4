#!/usr/bin/env node
/** The command `slocket`. `run` is loaded at once, since scripts wait for it; everything else is loaded on demand. */
import { isUtf8 } from 'node:buffer'
import fs from 'node:fs'
import path from 'node:path'
import { withoutSecrets } from '../engines/secrets.ts'
import { isBrokenPipe, isUsageError, statusOf, UsageError } from './exit-status.ts'
import { flock } from './flock.ts'
import { say } from './output.ts'
import { run } from './run.ts'
import { dieBy } from './signals.ts'

const [, program = '', ...given] = process.argv
// A link with that name replaces flock(1).
const [command, ...parameters] = path.basename(program) === 'flock' ? ['flock', ...given] : given
// Other processes see this as the command line.
process.argv = ['slocket', ...(command === undefined ? [] : [command, ...parameters]).map(withoutSecrets)]

/** The commands whose errors refer to their own help. */
const WITH_HELP: ReadonlySet<string | undefined> = new Set(['run', 'flock', 'hold', 'release'])

void main()

async function main(): Promise<void> {
  try {
    refuseOtherBytes()
    const [first] = parameters
    if (command === 'run' && first !== '--help' && first !== '-h') await run(parameters)
    else if (command === 'flock')
      await ((await flock(parameters)) === 'help' ? runCommand('help', ['flock']) : runCommand('--version', []))
    else await runCommand(command, parameters)
  } catch (error) {
    // Other commands end by this signal, but Node ignores it.
    if (isBrokenPipe(error)) dieBy('SIGPIPE')
    say(`${command === undefined ? '' : `${command}: `}${(error as Error).message}`)
    if (isUsageError(error)) say(`try 'slocket help${WITH_HELP.has(command) ? ` ${command}` : ''}'`)
    process.exit(statusOf(error))
  }
}

async function runCommand(name: string | undefined, words: readonly string[]): Promise<void> {
  process.exitCode = await (await import('./commands.ts')).runCommandNamed(name, words, program)
}

/** Refuses bytes that are not UTF-8: Node replaces them by U+FFFD, so the command would get the name of another file. */
function refuseOtherBytes(): void {
  // On Windows arguments are UTF-16.
  if (process.platform === 'win32' || !process.argv.some((word) => word.includes('\u{fffd}'))) return
  if (!isUtf8(fs.readFileSync('/proc/self/cmdline'))) throw new UsageError('arguments must be valid UTF-8')
}
