#!/usr/bin/env node
/** The command `slocket`. `run` is loaded at once, since scripts wait for it; the rest when it is asked for. */
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
// A link by that name stands in the place of flock(1).
const [command, ...parameters] = path.basename(program) === 'flock' ? ['flock', ...given] : given
// What others are shown of this process.
process.argv = ['slocket', ...(command === undefined ? [] : [command, ...parameters]).map(withoutSecrets)]

/** Those whose errors name their own help. */
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
    // As other commands end then: Node ignores the signal.
    if (isBrokenPipe(error)) dieBy('SIGPIPE')
    say(`${command === undefined ? '' : `${command}: `}${(error as Error).message}`)
    if (isUsageError(error)) say(`try 'slocket help${WITH_HELP.has(command) ? ` ${command}` : ''}'`)
    process.exit(statusOf(error))
  }
}

async function runCommand(name: string | undefined, words: readonly string[]): Promise<void> {
  process.exitCode = await (await import('./commands.ts')).runCommandNamed(name, words, program)
}

/** Node puts U+FFFD in place of bytes that are not UTF-8: the command would be given another file's name than was said. */
function refuseOtherBytes(): void {
  // On Windows words are UTF-16.
  if (process.platform === 'win32' || !process.argv.some((word) => word.includes('\u{fffd}'))) return
  if (!isUtf8(fs.readFileSync('/proc/self/cmdline'))) throw new UsageError('words have to be UTF-8')
}
