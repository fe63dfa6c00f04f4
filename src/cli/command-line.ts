/** The command lines of all but `run`: options and words in any order. */
import { parseArgs } from 'node:util'
import { UsageError } from './exit-status.ts'

export interface CommandLine {
  /** The names of those that were given. */
  readonly flags: ReadonlySet<string>
  readonly words: readonly string[]
}

/** @param known the flags, by their long names, and their letters. @throws UsageError */
export function parseFlags(parameters: readonly string[], known: Readonly<Record<string, string>>): CommandLine {
  const options = Object.fromEntries(
    Object.entries(known).map(
      ([name, letter]) => [name, { type: 'boolean', ...(letter === '' ? {} : { short: letter }) }] as const,
    ),
  )
  try {
    const { values, positionals } = parseArgs({ args: [...parameters], options, allowPositionals: true })
    return { flags: new Set(Object.keys(values)), words: positionals }
  } catch (error) {
    throw new UsageError((error as Error).message.split('. ')[0])
  }
}
