/** Parses the command line of `slocket run`. If flock(1) has an option with the same letter, it means the same. */
import { parseArgs } from 'node:util'
import { MAX_SLICE_MS } from '../options.ts'
import { UsageError } from './exit-status.ts'
import type { Given, LockWish } from './lock-options.ts'
import { LOCK_OPTIONS, parseLockWish, parseSeconds } from './lock-options.ts'
import { shellCommand } from './shell.ts'

export interface RunRequest extends LockWish {
  readonly lock: string
  /** The program and its arguments. */
  readonly command: readonly [string, ...string[]]
  /** Keeps the lock from the command. */
  readonly isClosed: boolean
  /** The minimum time for which the lock is held, in ms, once the command has begun. */
  readonly atLeastMs: number
  /** A URL. Undefined means the local engine. */
  readonly engine: string | undefined
  /** What happens to the command if the lock is lost. */
  readonly onLost: OnLost
  /** Whether to print messages and exit as flock(1) does. */
  readonly isFlock: boolean
}

export type OnLost = 'term' | 'kill' | 'ignore'

const OPTIONS = {
  ...LOCK_OPTIONS,
  close: { type: 'boolean', short: 'o' },
  command: { type: 'string', short: 'c' },
  slice: { type: 'string' },
  'at-least': { type: 'string' },
  engine: { type: 'string' },
  'on-lost': { type: 'string' },
} as const

/** Options of flock(1) that `slocket run` doesn't have. */
const REFUSED: Readonly<Record<string, string>> = {
  F: '-F, --no-fork: the lock lives in the command anyway; see also --close',
  'no-fork': '--no-fork: the lock lives in the command anyway; see also --close',
  u: '-u, --unlock: a lock ends with its command; there is none to drop',
  unlock: '--unlock: a lock ends with its command; there is none to drop',
  fcntl: '--fcntl: there is only one kind of lock',
  h: '-h, --help stands alone',
  help: '--help stands alone',
  V: '-V, --version stands alone, and before run',
  version: '--version stands alone, and before run',
}

/** @throws UsageError */
export function parseRun(parameters: readonly string[]): RunRequest {
  const { own, lock, command } = split(parameters)
  const { values, tokens } = parseOwn(own)
  if (lock === undefined) throw new UsageError('LOCK is missing')
  if (lock === '') throw new UsageError('LOCK is empty')
  if (values.command !== undefined && command.length > 0) throw new UsageError('-c takes one shell line and no command')
  const [program, ...rest] = values.command === undefined ? command : shellCommand(values.command)
  if (program === undefined) throw new UsageError(`COMMAND is missing${descriptorHint(lock)}`)
  const wish = parseLockWish({ values, tokens })
  refuseWithEngine(wish, values.engine)
  checkSlice(values.slice, wish)
  return {
    ...wish,
    lock,
    command: [program, ...rest],
    isClosed: values.close === true,
    atLeastMs: (parseSeconds('--at-least', values['at-least']) ?? 0) * 1000,
    engine: values.engine,
    onLost: parseOnLost(values['on-lost'], values.engine),
    isFlock: false,
  }
}

/** `flock 9` locks the file that the shell has opened as descriptor 9. */
function descriptorHint(lock: string): string {
  return /^\d+$/.test(lock) ? `: a descriptor (${lock}) cannot be locked; see slocket hold` : ''
}

interface Parts {
  /** The words of `slocket run` itself. */
  readonly own: string[]
  readonly lock: string | undefined
  readonly command: string[]
}

/** The command begins after `--`, or with the first word after LOCK that isn't an option. From there on, all words belong to the command. */
function split(parameters: readonly string[]): Parts {
  const { tokens } = parseArgs({
    args: [...parameters],
    options: OPTIONS,
    strict: false,
    allowPositionals: true,
    tokens: true,
  })
  let lock: { readonly value: string; readonly index: number } | undefined
  for (const token of tokens) {
    if (token.kind === 'option') continue
    if (token.kind === 'positional' && lock === undefined) {
      lock = token
      continue
    }
    const own = parameters.filter((_, index) => index < token.index && index !== lock?.index)
    const rest = parameters.slice(token.kind === 'positional' ? token.index : token.index + 1)
    if (lock !== undefined) return { own, lock: lock.value, command: rest }
    // `-- LOCK COMMAND`: LOCK begins with a hyphen.
    const [name, ...command] = rest
    return { own, lock: name, command: command[0] === '--' ? command.slice(1) : command }
  }
  return { own: parameters.filter((_, index) => index !== lock?.index), lock: lock?.value, command: [] }
}

function parseOwn(own: string[]): Pick<Given, 'tokens'> & Pick<ReturnType<typeof parseStrictly>, 'values'> {
  const { values, tokens } = parseStrictly(own)
  return {
    values,
    tokens: tokens.flatMap((token) => (token.kind === 'option' ? [{ name: token.name, value: token.value }] : [])),
  }
}

function parseStrictly(own: string[]) {
  try {
    return parseArgs({ args: own, options: OPTIONS, strict: true, tokens: true })
  } catch (error) {
    throw new UsageError(refusalOf(own) ?? firstSentence(error))
  }
}

function refusalOf(own: string[]): string | undefined {
  const { tokens } = parseArgs({ args: own, options: OPTIONS, strict: false, allowPositionals: true, tokens: true })
  const refused = tokens.find((token) => token.kind === 'option' && Object.hasOwn(REFUSED, token.name))
  return refused?.kind === 'option' ? REFUSED[refused.name] : undefined
}

function firstSentence(error: unknown): string {
  return (error as Error).message.split('. ')[0]!
}

/** @throws UsageError for options that only concern directories. */
function refuseWithEngine({ access, makesParents }: LockWish, engine: string | undefined): void {
  if (engine === undefined) return
  if (access !== undefined) throw new UsageError('--access is for locks on this machine, not for those of an --engine')
  if (makesParents) throw new UsageError('--parents is for locks on this machine, not for those of an --engine')
}

/**
 * Refuses what `SlocketOptions.slice` refuses. The slice isn't passed on: a slice is for the further requests of the process that holds, and this process makes
 * only one.
 *
 * @throws UsageError
 */
function checkSlice(text: string | undefined, { options }: LockWish): void {
  if (text === undefined) return
  const sliceMs = /^\d*\.?\d*$/.test(text) && /\d/.test(text) ? Number(text) : NaN
  if (!(sliceMs <= MAX_SLICE_MS)) throw new UsageError(`--slice must be from 0 to ${MAX_SLICE_MS} ms, not '${text}'`)
  if (sliceMs > 0 && (options.mode === 'shared' || options.permits !== undefined))
    throw new UsageError('--slice cannot be given with -p, --permits or with -s, --shared')
}

/** A local lock is lost only if somebody removes it. The command then goes on, as it has always done. */
function parseOnLost(text: string | undefined, engine: string | undefined): OnLost {
  if (text === undefined) return engine === undefined ? 'ignore' : 'term'
  if (text === 'term' || text === 'kill' || text === 'ignore') return text
  throw new UsageError(`--on-lost must be 'term', 'kill' or 'ignore', not '${text}'`)
}
