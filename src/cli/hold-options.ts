/** Parses the command lines of `slocket hold` and `slocket release`. */
import { parseArgs } from 'node:util'
import type { ParseArgsConfig } from 'node:util'
import { UsageError } from './exit-status.ts'
import type { Given, LockWish } from './lock-options.ts'
import { LOCK_OPTIONS, parseLockWish, textOf, wholeNumber } from './lock-options.ts'
import type { Identity } from './process-start.ts'
import { identify, sessionOf } from './process-start.ts'

export interface HoldRequest extends LockWish {
  readonly lock: string
  /** The process whose end releases the lock. */
  readonly script: Identity
  /** Whether to print the variables that `slocket run` adds to the environment of its command. */
  readonly printsEnvironment: boolean
}

export interface ReleaseRequest {
  readonly lock: string
  readonly script: Identity
}

const PID = { type: 'string' } as const
const MOST_PID = 2 ** 22

/** @throws UsageError */
export function parseHold(parameters: readonly string[]): HoldRequest {
  const { given, words } = parse(parameters, { ...LOCK_OPTIONS, pid: PID, env: { type: 'boolean' } })
  return {
    ...parseLockWish(given),
    lock: onlyLock(words),
    script: parseScript(textOf(given.values['pid'])),
    printsEnvironment: given.values['env'] === true,
  }
}

/** @throws UsageError */
export function parseRelease(parameters: readonly string[]): ReleaseRequest {
  const { given, words } = parse(parameters, { pid: PID })
  return { lock: onlyLock(words), script: parseScript(textOf(given.values['pid'])) }
}

function parse(
  parameters: readonly string[],
  options: NonNullable<ParseArgsConfig['options']>,
): { given: Given; words: readonly string[] } {
  const args = [...parameters]
  try {
    const { tokens, positionals } = parseArgs({ args, options, allowPositionals: true, strict: true, tokens: true })
    const given = tokens.flatMap((token) => (token.kind === 'option' ? [{ name: token.name, value: token.value }] : []))
    const values = Object.fromEntries(given.map(({ name, value }) => [name, value ?? true]))
    return { given: { values, tokens: given }, words: positionals }
  } catch (error) {
    throw new UsageError((error as Error).message.split('. ')[0])
  }
}

function onlyLock([lock, ...others]: readonly string[]): string {
  if (lock === undefined || lock === '') throw new UsageError('LOCK is missing')
  if (others.length > 0) throw new UsageError('one LOCK at a time, and no command; to run a command, use slocket run')
  return lock
}

/** Returns the process with that id, or else the parent of this process. @throws UsageError */
function parseScript(text: string | undefined): Identity {
  const pid = wholeNumber('--pid', text, 1, MOST_PID) ?? process.ppid
  const script = identifySafely(pid)
  if (text !== undefined) {
    if (script === undefined) throw new UsageError(`--pid: process ${pid} doesn't exist, or /proc doesn't show it`)
    return script
  }
  // RACE: the script may have ended, even before this process could look. Then this process is a child of process 1, or of a subreaper,
  // such as the systemd of a user: prctl(2). A subreaper may outlast every script. Most are in another session, unlike the script.
  const isAdopted = pid === 1 || sessionOf(pid) !== sessionOf(process.pid)
  if (script === undefined || isAdopted || pid !== process.ppid) {
    throw new UsageError(
      `the calling script has ended, is process 1, or belongs to another session; use --pid PID to name the process that the lock is held for`,
    )
  }
  return script
}

/** @throws UsageError if the system shows no processes. */
function identifySafely(pid: number): Identity | undefined {
  if (identify(process.pid) !== undefined) return identify(pid)
  throw new UsageError('slocket hold needs /proc, which shows when a process started')
}
