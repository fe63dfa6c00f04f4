/** The options of `slocket run` and `slocket hold` that concern the lock. If flock(1) has an option with the same letter, it means the same. */
import type { SlocketOptions } from '../options.ts'
import type { LockAccess } from '../requests/lock-access.ts'
import { ACCESSES, isAccess } from '../requests/lock-access.ts'
import { UsageError } from './exit-status.ts'

export interface LockWish {
  readonly options: Pick<SlocketOptions, 'mode' | 'permits' | 'take' | 'timeout' | 'label'>
  /** Gives up at once if it would have to wait. */
  readonly isTry: boolean
  readonly conflictStatus: number
  readonly isQuiet: boolean
  readonly isVerbose: boolean
  /** Who can use the lock. Undefined: what the umask allows. */
  readonly access: LockAccess | undefined
  /** Whether to create the directories above the lock that are missing. */
  readonly makesParents: boolean
}

export const LOCK_OPTIONS = {
  exclusive: { type: 'boolean', short: 'x' },
  shared: { type: 'boolean', short: 's' },
  permits: { type: 'string', short: 'p' },
  take: { type: 'string' },
  nonblock: { type: 'boolean', short: 'n' },
  timeout: { type: 'string', short: 'w' },
  'conflict-exit-code': { type: 'string', short: 'E' },
  label: { type: 'string' },
  access: { type: 'string' },
  parents: { type: 'boolean' },
  quiet: { type: 'boolean', short: 'q' },
  verbose: { type: 'boolean', short: 'v' },
  try: { type: 'boolean' },
  // flock(1) has these, too.
  e: { type: 'boolean', short: 'e' },
  nb: { type: 'boolean' },
  nonblocking: { type: 'boolean' },
  wait: { type: 'string' },
} as const

/** The options that were given, as `parseArgs` returns them. */
export interface Given {
  readonly values: Readonly<Record<string, string | boolean | undefined>>
  /** In the order of the command line. */
  readonly tokens: readonly { readonly name: string; readonly value: string | undefined }[]
}

const MOST_SECONDS = (2 ** 31 - 1) / 1000
const MOST_STATUS = 255
const MOST_LABEL = 200

/** @throws UsageError */
export function parseLockWish({ values, tokens }: Given): LockWish {
  const mode = tokens.findLast(({ name }) => name === 'shared' || name === 'exclusive' || name === 'e')
  const permits = wholeNumber('-p, --permits', textOf(values['permits']), 1, 1_000_000)
  const take = wholeNumber('--take', textOf(values['take']), 1, permits ?? 1_000_000)
  const wait = tokens.findLast(({ name }) => name === 'timeout' || name === 'wait')?.value
  const seconds = parseSeconds('-w, --timeout', wait)
  const isTry = ['nonblock', 'nb', 'nonblocking', 'try'].some((name) => values[name] === true) || seconds === 0
  if (permits !== undefined && mode?.name === 'shared')
    throw new UsageError('-p, --permits and -s, --shared exclude each other')
  if (take !== undefined && permits === undefined) throw new UsageError('--take needs -p, --permits')
  return {
    options: {
      mode: mode?.name === 'shared' ? 'shared' : 'exclusive',
      permits,
      take,
      timeout: isTry || seconds === undefined ? undefined : seconds * 1000,
      label: parseLabel(textOf(values['label'])),
    },
    isTry,
    conflictStatus: parseStatus(textOf(values['conflict-exit-code'])),
    isQuiet: values['quiet'] === true,
    isVerbose: values['verbose'] === true,
    access: parseAccess(textOf(values['access'])),
    makesParents: values['parents'] === true,
  }
}

export function textOf(value: string | boolean | undefined): string | undefined {
  return typeof value === 'string' ? value : undefined
}

/** @throws UsageError */
export function parseSeconds(option: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const seconds = /^\d*\.?\d*(e\d+)?$/i.test(text) && /\d/.test(text) ? Number(text) : NaN
  if (seconds >= 0 && seconds <= MOST_SECONDS) return seconds
  throw new UsageError(`${option} must be a number of seconds from 0 to ${Math.floor(MOST_SECONDS)}, not '${text}'`)
}

/** @throws UsageError */
export function parseStatus(text: string | undefined): number {
  return wholeNumber('-E, --conflict-exit-code', text, 0, MOST_STATUS) ?? 1
}

/** @throws UsageError */
export function wholeNumber(option: string, text: string | undefined, least: number, most: number): number | undefined {
  if (text === undefined) return undefined
  const number = /^\d+$/.test(text) ? Number(text) : NaN
  if (number >= least && number <= most) return number
  throw new UsageError(`${option} must be a whole number from ${least} to ${most}, not '${text}'`)
}

function parseLabel(label: string | undefined): string | undefined {
  if (label !== undefined && label.length > MOST_LABEL)
    throw new UsageError(`--label must have at most ${MOST_LABEL} characters`)
  return label
}

function parseAccess(text: string | undefined): LockAccess | undefined {
  if (text === undefined || isAccess(text)) return text
  throw new UsageError(`--access must be ${ACCESSES}, not '${text}'`)
}
