/** The command line of `slocket run`. Where flock(1) has a letter, it means the same. */
import { parseArgs } from 'node:util'
import { ACCESSES, isAccess } from '../requests/lock-access.ts'
import type { LockAccess } from '../requests/lock-access.ts'
import type { SlocketOptions } from '../options.ts'
import { UsageError } from './exit-status.ts'

export interface RunRequest {
  readonly lock: string
  /** The program and its arguments. */
  readonly command: readonly [string, ...string[]]
  readonly options: Pick<SlocketOptions, 'mode' | 'permits' | 'timeout' | 'label'>
  /** Gives up at once where it would have to wait. */
  readonly isTry: boolean
  readonly conflictStatus: number
  /** Keeps the lock from the command. */
  readonly isClosed: boolean
  readonly isQuiet: boolean
  readonly isVerbose: boolean
  /** Who can use the lock. Undefined: what the umask leaves. */
  readonly access: LockAccess | undefined
  /** A URL; undefined: the local engine. */
  readonly engine: string | undefined
  /** What becomes of the command when the lock is lost. */
  readonly onLost: OnLost
}

export type OnLost = 'term' | 'kill' | 'ignore'

const OPTIONS = {
  exclusive: { type: 'boolean', short: 'x' },
  shared: { type: 'boolean', short: 's' },
  permits: { type: 'string', short: 'p' },
  nonblock: { type: 'boolean', short: 'n' },
  timeout: { type: 'string', short: 'w' },
  'conflict-exit-code': { type: 'string', short: 'E' },
  close: { type: 'boolean', short: 'o' },
  command: { type: 'string', short: 'c' },
  label: { type: 'string' },
  access: { type: 'string' },
  engine: { type: 'string' },
  'on-lost': { type: 'string' },
  quiet: { type: 'boolean', short: 'q' },
  verbose: { type: 'boolean', short: 'v' },
  // As flock(1) has them, too.
  e: { type: 'boolean', short: 'e' },
  nb: { type: 'boolean' },
  nonblocking: { type: 'boolean' },
  wait: { type: 'string' },
} as const

/** What flock(1) has, and this has not. */
const REFUSED: Readonly<Record<string, string>> = {
  F: '-F, --no-fork: the lock lives in the command anyway; see also --close',
  'no-fork': '--no-fork: the lock lives in the command anyway; see also --close',
  u: '-u, --unlock: a lock ends with its command; there is none to drop',
  unlock: '--unlock: a lock ends with its command; there is none to drop',
  fcntl: '--fcntl: there is one kind of lock only',
  h: '-h, --help stands alone',
  help: '--help stands alone',
  V: '-V, --version stands alone, and before run',
  version: '--version stands alone, and before run',
}

const MOST_SECONDS = (2 ** 31 - 1) / 1000
const MOST_STATUS = 255

/** @throws UsageError */
export function parseRun(parameters: readonly string[]): RunRequest {
  const { own, lock, command } = split(parameters)
  const { values, tokens } = parseOwn(own)
  if (lock === undefined) throw new UsageError('LOCK is missing')
  if (lock === '') throw new UsageError('LOCK is empty')
  if (values.command !== undefined && command.length > 0) throw new UsageError('-c takes one shell line and no command')
  const [program, ...rest] = values.command === undefined ? command : [shell(), '-c', values.command]
  if (program === undefined) throw new UsageError(`COMMAND is missing${descriptorHint(lock)}`)
  const mode = tokens.findLast(({ name }) => name === 'shared' || name === 'exclusive' || name === 'e')
  const permits = wholeNumber('-p, --permits', values.permits, 1, 1_000_000)
  const seconds = parseSeconds(tokens.findLast(({ name }) => name === 'timeout' || name === 'wait')?.value)
  const isTry = [values.nonblock, values.nb, values.nonblocking].includes(true) || seconds === 0
  if (permits !== undefined && mode?.name === 'shared')
    throw new UsageError('-p, --permits and -s, --shared exclude each other')
  return {
    lock,
    command: [program, ...rest],
    options: {
      mode: mode?.name === 'shared' ? 'shared' : 'exclusive',
      permits,
      timeout: isTry || seconds === undefined ? undefined : seconds * 1000,
      label: parseLabel(values.label),
    },
    isTry,
    conflictStatus: wholeNumber('-E, --conflict-exit-code', values['conflict-exit-code'], 0, MOST_STATUS) ?? 1,
    isClosed: values.close === true,
    isQuiet: values.quiet === true,
    isVerbose: values.verbose === true,
    access: parseAccess(values.access, values.engine),
    engine: values.engine,
    onLost: parseOnLost(values['on-lost'], values.engine),
  }
}

/** `flock 9` locks what the shell has opened by that number. */
function descriptorHint(lock: string): string {
  return /^\d+$/.test(lock) ? `: a descriptor (${lock}) cannot be locked, put what is to be done into a script` : ''
}

interface Parts {
  /** What is ours. */
  readonly own: string[]
  readonly lock: string | undefined
  readonly command: string[]
}

/** The command begins behind `--`, or with the first word behind LOCK that is no option; from there on nothing is ours. */
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
    // `-- LOCK COMMAND`: a LOCK that begins with a hyphen.
    const [name, ...command] = rest
    return { own, lock: name, command: command[0] === '--' ? command.slice(1) : command }
  }
  return { own: parameters.filter((_, index) => index !== lock?.index), lock: lock?.value, command: [] }
}

interface Option {
  readonly name: string
  readonly value: string | undefined
}

function parseOwn(own: string[]): { values: ReturnType<typeof parseStrictly>['values']; tokens: Option[] } {
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

function parseSeconds(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const seconds = /^\d*\.?\d*(e\d+)?$/i.test(text) && /\d/.test(text) ? Number(text) : NaN
  if (seconds >= 0 && seconds <= MOST_SECONDS) return seconds
  throw new UsageError(`-w, --timeout must be a number of seconds from 0 to ${Math.floor(MOST_SECONDS)}, not '${text}'`)
}

function wholeNumber(option: string, text: string | undefined, least: number, most: number): number | undefined {
  if (text === undefined) return undefined
  const number = /^\d+$/.test(text) ? Number(text) : NaN
  if (number >= least && number <= most) return number
  throw new UsageError(`${option} must be a whole number from ${least} to ${most}, not '${text}'`)
}

const MOST_LABEL = 200

function parseLabel(label: string | undefined): string | undefined {
  if (label !== undefined && label.length > MOST_LABEL)
    throw new UsageError(`--label must have at most ${MOST_LABEL} characters`)
  return label
}

function parseAccess(text: string | undefined, engine: string | undefined): LockAccess | undefined {
  if (text === undefined) return undefined
  if (!isAccess(text)) throw new UsageError(`--access must be ${ACCESSES}, not '${text}'`)
  if (engine !== undefined) throw new UsageError('--access is for locks on this machine, not for those of an --engine')
  return text
}

/** Locally a lock is lost where somebody removes it; the command goes on, as it has always done. */
function parseOnLost(text: string | undefined, engine: string | undefined): OnLost {
  if (text === undefined) return engine === undefined ? 'ignore' : 'term'
  if (text === 'term' || text === 'kill' || text === 'ignore') return text
  throw new UsageError(`--on-lost must be 'term', 'kill' or 'ignore', not '${text}'`)
}

function shell(): string {
  const { SHELL } = process.env
  return SHELL === undefined || SHELL === '' ? '/bin/sh' : SHELL
}
