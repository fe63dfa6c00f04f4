/** `slocket status`: who holds, who waits, and for how long. */
import fs from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Engine } from '../requests/engine.ts'
import type { Obstacle } from '../requests/obstacle.ts'
import { toSlocketError } from '../engines/local/platform/system-error.ts'
import type { SlocketError } from '../errors.ts'
import { isSlocketError, printable } from '../errors.ts'
import { slocket } from '../index.ts'
import type { LockRequest } from '../slocket.ts'
import { parseFlags } from './command-line.ts'
import { formatDuration } from './duration.ts'
import { openEngine } from './engine.ts'
import { NO_INPUT, statusOf, UsageError } from './exit-status.ts'
import { findLocks, isDirectory, SocketOwners } from './find-locks.ts'
import type { Owner } from './find-locks.ts'
import { print, say } from './output.ts'
import { paint } from './paint.ts'

const WATCH_MS = 1000
/** How many locks are looked at together: each takes a descriptor for each process that holds it or waits. */
const AT_ONCE = 500
/** Cursor home, and all below it erased at the end. */
const HOME = '\u{1b}[H'
const ERASE_LINE = '\u{1b}[K'
const ERASE_BELOW = '\u{1b}[J'

interface Row extends Pick<LockRequest, 'mode' | 'permits' | 'pid' | 'since' | 'label' | 'command'> {
  readonly state: 'holds' | 'waits'
  /** Whether its process answers; it may be busy, or stopped, or have ended and left the lock to others. */
  readonly answers: boolean
  /** Who has its socket open, where it does not answer. */
  readonly owners: readonly Owner[]
}

interface LockStatus {
  readonly lock: string
  readonly rows: readonly Row[]
  /** What is at its path, and isn't a lock. */
  readonly obstacle: Obstacle | undefined
  readonly error: SlocketError | undefined
}

/** Gives the exit status. */
export async function status(parameters: readonly string[]): Promise<number> {
  const { flags, words, values } = parseFlags(parameters, { json: '', watch: 'w' }, ['engine'])
  const { engine: url } = values
  const look = url === undefined ? () => lookLocally(words) : lookIn(await openEngine(url), words)
  if (flags.has('watch')) return await watch(look, flags.has('json'))
  const found = await look()
  print(flags.has('json') ? toJson(found) : toTable(found))
  for (const { error, obstacle } of found) {
    const message = error?.message ?? obstacle?.message
    if (message !== undefined) say(message)
  }
  const failure = found.find(({ error }) => error !== undefined)
  if (failure !== undefined) return statusOf(failure.error)
  return found.some(({ obstacle }) => obstacle !== undefined) ? NO_INPUT : 0
}

/** Until nobody reads it, or it is interrupted. */
async function watch(look: () => Promise<LockStatus[]>, isJson: boolean): Promise<never> {
  for (let isFirst = true; ; isFirst = false) {
    const found = await look()
    const text = isJson ? `${JSON.stringify(plain(found))}\n` : screen(toTable(found), isFirst)
    print(text)
    await sleep(WATCH_MS)
  }
}

/** What fits, in place of what was there. */
function screen(table: string, isFirst: boolean): string {
  const lines = `${new Date().toLocaleTimeString()}\n\n${table}`.split('\n').slice(0, (process.stdout.rows || 24) - 1)
  return `${isFirst ? '\u{1b}[2J' : ''}${HOME}${lines.map((line) => `${line}${ERASE_LINE}\n`).join('')}${ERASE_BELOW}`
}

async function lookLocally(words: readonly string[]): Promise<LockStatus[]> {
  const places = words.length === 0 ? ['.'] : words
  // What is no directory is asked for by itself: nothing is there, or what should not be.
  const locks = places.flatMap((place) => (isDirectory(place) ? findLocks(place) : [place]))
  return await lookAt(locks, undefined)
}

/** By names, which are no paths. @throws UsageError */
function lookIn(engine: Engine, names: readonly string[]): () => Promise<LockStatus[]> {
  if (names.length === 0 && engine.queryAll === undefined)
    throw new UsageError(`LOCK is missing: the names of locks on ${engine.name} cannot be listed`)
  return async () => {
    const all = names.length > 0 ? names : [...(await engine.queryAll!()).keys()].sort()
    return await lookAt(all, engine)
  }
}

async function lookAt(locks: readonly string[], engine: Engine | undefined): Promise<LockStatus[]> {
  const found: LockStatus[] = []
  const socketOwners = engine === undefined ? new SocketOwners() : undefined
  // All of them are waited for together: processes that do not answer take as long as one of them.
  for (let first = 0; first < locks.length; first += AT_ONCE) {
    const looks = locks.slice(first, first + AT_ONCE).map(async (lock) => await lookAtOne(lock, engine, socketOwners))
    found.push(...(await Promise.all(looks)))
  }
  return found
}

async function lookAtOne(
  lock: string,
  engine: Engine | undefined,
  socketOwners: SocketOwners | undefined,
): Promise<LockStatus> {
  try {
    const { held, pending, obstacle } = await slocket.query(lock, { engine })
    if (engine === undefined) refuseMissingParent(lock)
    const row = (state: Row['state'], one: LockRequest): Row => toRow(lock, state, one, socketOwners)
    const rows = [...held.map((one) => row('holds', one)), ...pending.map((one) => row('waits', one))]
    return { lock, rows, obstacle, error: undefined }
  } catch (error) {
    if (!isSlocketError(error)) throw error
    return { lock, rows: [], obstacle: undefined, error }
  }
}

/** There can be no lock below a directory that is missing. @throws ERR_SLOCKET_NO_PARENT; what a system error means. */
function refuseMissingParent(lock: string): void {
  try {
    fs.statSync(path.dirname(path.resolve(lock)))
  } catch (error) {
    throw toSlocketError(error, 'look at', lock)
  }
}

/** @param socketOwners undefined if the lock is on a server, which answers for all. */
function toRow(lock: string, state: Row['state'], request: LockRequest, socketOwners: SocketOwners | undefined): Row {
  const { self, ...rest } = request
  const answers = socketOwners === undefined || self || rest.command !== undefined
  return { ...rest, state, answers, owners: answers ? [] : socketOwners.of(lock, rest.pid!) }
}

function toJson(found: readonly LockStatus[]): string {
  return `${JSON.stringify(plain(found), null, 2)}\n`
}

/** For programs; docs/cli.md tells of each field. */
function plain(found: readonly LockStatus[]): unknown {
  return found.map(({ lock, rows, obstacle, error }) => ({
    lock,
    ...(error === undefined ? {} : { error: error.code }),
    ...(obstacle === undefined ? {} : { obstacle }),
    held: rows.filter(({ state }) => state === 'holds').map(plainRow),
    waiting: rows.filter(({ state }) => state === 'waits').map(plainRow),
  }))
}

function plainRow({ mode, permits, pid, since, label, command, answers, owners }: Row): unknown {
  return { mode, permits, pid, since, label, command, answers, processes: answers ? undefined : owners }
}

const HEAD = ['LOCK', 'STATE', 'MODE', 'PID', 'FOR', 'LABEL', 'COMMAND']

function toTable(found: readonly LockStatus[]): string {
  if (found.length === 0) return 'no locks here\n'
  const lines = found.flatMap(({ lock, rows, obstacle, error }) => {
    if (error !== undefined) return [[printable(lock), 'unknown']]
    if (rows.length === 0) return [[printable(lock), obstacle === undefined ? 'free' : `blocked (${obstacle.kind})`]]
    return rows.map((row, index) => [index === 0 ? printable(lock) : '', ...cellsOf(row)])
  })
  const all = [HEAD, ...lines]
  const widths = HEAD.map((_, column) => Math.max(...all.map((line) => (line[column] ?? '').length)))
  const columns = process.stdout.isTTY ? process.stdout.columns : Infinity
  return all
    .map((line) =>
      line
        .map((cell, column) => cell.padEnd(widths[column]!))
        .join('  ')
        .trimEnd()
        .slice(0, columns),
    )
    .map((text, index) => `${index === 0 ? paint('bold', text) : colour(text, lines[index - 1]![1]!)}\n`)
    .join('')
}

function colour(text: string, state: string): string {
  return state === 'holds' ? paint('green', text) : state === 'waits' ? paint('yellow', text) : text
}

function cellsOf(row: Row): string[] {
  const mode = row.permits === undefined ? row.mode : `1 of ${row.permits}`
  const duration = row.since === undefined ? '-' : formatDuration(Date.now() - row.since.getTime())
  return [row.state, mode, String(row.pid ?? '-'), duration, printable(row.label ?? '-'), printable(commandOf(row))]
}

function commandOf({ pid, command, answers, owners }: Row): string {
  if (answers) return command ?? ''
  const [owner] = owners
  if (owner === undefined) return '(does not answer)'
  if (owner.pid === pid) return `${owner.command} (does not answer)`
  return `(has ended; pid ${owner.pid} keeps its lock: ${owner.command})`
}
