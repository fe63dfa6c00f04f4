/** Parses the command lines of all commands except `run`: options and words in any order. */
import { parseArgs } from 'node:util'
import { UsageError } from './exit-status.ts'

export interface CommandLine {
  /** The names of the flags that were given. */
  readonly flags: ReadonlySet<string>
  readonly words: readonly string[]
  /** The values of the options that take one. */
  readonly values: Readonly<Record<string, string>>
}

/**
 * @param known the flags: their long names, and their letters.
 * @param valued the long names of the options that take a value.
 * @throws UsageError
 */
export function parseFlags(
  parameters: readonly string[],
  known: Readonly<Record<string, string>>,
  valued: readonly string[] = [],
): CommandLine {
  const flags = Object.fromEntries(
    Object.entries(known).map(
      ([name, letter]) => [name, { type: 'boolean', ...(letter === '' ? {} : { short: letter }) }] as const,
    ),
  )
  const options = { ...flags, ...Object.fromEntries(valued.map((name) => [name, { type: 'string' }] as const)) }
  try {
    const { values, positionals } = parseArgs({ args: [...parameters], options, allowPositionals: true })
    const given = Object.entries(values)
    return {
      flags: new Set(given.flatMap(([name, value]) => (value === true ? [name] : []))),
      words: positionals,
      values: Object.fromEntries(given.flatMap(([name, value]) => (typeof value === 'string' ? [[name, value]] : []))),
    }
  } catch (error) {
    throw new UsageError((error as Error).message.split('. ')[0])
  }
}
