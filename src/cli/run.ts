/**
 * `slocket run`: a command under a lock, in place of flock(1).
 *
 *  1. The lock lives as long as the command: it has the ticket's socket open, so the ticket lives though this process be killed.
 *  2. When the command has exited, the lock is released; unless somebody whom it has left behind has the socket still. When a signal
 *     has ended it, it has died holding, and the next holder is told. A command that never began passes on what it would have been told.
 *  3. With another engine (`--engine`) there is no such socket: the lock lives as long as this process, and the command is told to end when
 *     it is lost.
 *  4. Descriptors 0, 1 and 2 are the command's, and so is the channel of a supervisor: nothing is read from them, and no mode of theirs
 *     is changed.
 */
import fs from 'node:fs'
import { resolve } from 'node:path'
import tty from 'node:tty'
import type { Engine } from '../requests/engine.ts'
import { isWaitedFor } from '../requests/obstacle.ts'
import { openLocal } from '../engines/local/index.ts'
import { describeObstacle } from '../engines/local/occupant/obstacle.ts'
import type { LockHandle } from '../engines/local/lock-handle.ts'
import { isSlocketError } from '../errors.ts'
import type { Lock } from '../lock.ts'
import type { LockSnapshot, Slocket } from '../slocket.ts'
import { createSlocket } from '../slocket.ts'
import type { Ending } from './child.ts'
import { runCommand } from './child.ts'
import { takeChannel } from './channel.ts'
import { inheritedDescriptors } from './inherited.ts'
import { UsageError } from './exit-status.ts'
import { say, writeError } from './output.ts'
import { quietly } from './quietly.ts'
import type { RunRequest } from './run-options.ts'
import { parseRun } from './run-options.ts'
import { dieBy, Signals } from './signals.ts'

/** How long it waits before it says so, in ms. */
const ANNOUNCE_MS = 1000

/** Ends the process as the command ended. */
export async function run(parameters: readonly string[]): Promise<void> {
  const channel = takeChannel()
  const request = parseRun(parameters)
  leaveErrorOutputAsItIs()
  const inherited = inheritedDescriptors()
  const signals = new Signals()
  const local = request.engine === undefined ? openLocal(request.access) : undefined
  const engine = local?.engine ?? (await openOther(request))
  if (local !== undefined) await tellOfObstacle(request, engine)
  const lock = await acquire(request, engine, signals)
  if (signals.early !== undefined) {
    if (lock?.recovered !== true) await lock?.release()
    dieBy(signals.early)
  }
  if (lock === null) process.exit(request.conflictStatus)
  // In this order: a signal that is asked for after the loss has aborted, and calls no listener.
  const { signal } = lock
  lock.assertHeld()
  signal.addEventListener('abort', () => onLost(lock, request, signals))
  const handle = local?.handleOf(request.lock)
  const descriptors = { inherited, channel, lock: request.isClosed ? [] : (handle?.descriptors ?? []) }
  const ending = await runCommand(request.command, environmentOf(lock), descriptors, signals)
  await giveBack(lock, request, { ending, handle })
  leaveTerminalAsItIs()
  // Shells want to know that it was their ctrl-C that ended the command.
  if (ending.signal !== null && (await signals.cameFromTerminal(ending.signal))) dieBy(ending.signal)
  process.exit(ending.status)
}

/** Loaded only now: it takes longer than to take a local lock. @throws UsageError */
async function openOther({ engine: url, options }: RunRequest): Promise<Engine> {
  const { openEngine } = await import('./engine.ts')
  const engine = await openEngine(url!)
  if (options.permits !== undefined && !engine.capabilities.permits)
    throw new UsageError(`-p, --permits: locks on ${engine.name} have no permits`)
  return engine
}

function onLost(lock: Lock, request: RunRequest, signals: Signals): void {
  if (!request.isQuiet) say(String(lock.signal.reason.message))
  if (request.onLost !== 'ignore') signals.endCommand(request.onLost === 'kill' ? 'SIGKILL' : 'SIGTERM')
}

/** The rest of the library is left out: to load it takes longer than to take a lock. */
const neverBlocks: Slocket['sync'] = () => {
  throw new Error('no call of the command blocks')
}

/** Null where there is none to be had in time, or where a signal cancelled it. */
async function acquire(request: RunRequest, engine: Engine, { cancelled }: Signals): Promise<Lock | null> {
  const { lock: path, isTry } = request
  const slocket = createSlocket(() => engine, neverBlocks)
  const { timeout, ...options } = { ...request.options, linger: 0, signal: cancelled }
  const isAnnounced = !isTry && !request.isQuiet && tty.isatty(2)
  const stopNotice = isAnnounced ? announceWait(path, async () => await slocket.query(path)) : undefined
  const from = process.hrtime.bigint()
  try {
    const lock = isTry ? await slocket.try(path, options) : await slocket(path, { ...options, timeout })
    stopNotice?.()
    if (request.isVerbose) say(lock === null ? `'${path}' is not free` : `got '${path}' after ${secondsSince(from)} s`)
    return lock
  } catch (error) {
    stopNotice?.()
    if (cancelled.aborted) return null
    if (!isSlocketError(error, 'ERR_SLOCKET_TIMEOUT')) throw error
    if (request.isVerbose) say(error.message)
    return null
  }
}

/**
 * Says once what counts as the lock of another program: what is there now, or is met later and waited for. The file that flock(1) locks
 * stays when flock has ended, and nobody may come to remove it.
 */
async function tellOfObstacle({ lock, isQuiet }: RunRequest, engine: Engine): Promise<void> {
  let isTold = isQuiet
  heedWarnings((message) => {
    if (!isTold) say(message)
    isTold = true
  })
  // If it cannot be looked at, the request meets that too, and reports it.
  // It is looked for as the engine does: a slash at the end of the path says nothing.
  const stats = quietly(() => fs.lstatSync(resolve(lock), { throwIfNoEntry: false }))
  if (isTold || stats === undefined || stats.isDirectory()) return
  const kind = (await engine.query(lock).catch(() => undefined))?.obstacle?.kind
  if (kind === undefined || kind === 'directory' || !isWaitedFor({ kind })) return
  isTold = true
  say(describeObstacle(kind, lock).message)
}

/** Those of a wait for something else at the path are shown as all that is said here. */
function heedWarnings(onObstacle: (message: string) => void): void {
  const usual = process.listeners('warning')
  process.removeAllListeners('warning')
  process.on('warning', (warning: Error & { code?: string }) => {
    if (warning.code === 'SLOCKET_OBSTACLE') onObstacle(warning.message)
    else for (const listener of usual) listener.call(process, warning)
  })
}

/** Says on the terminal what is waited for, once that has taken a while. Returns what ends that. */
function announceWait(path: string, query: () => Promise<LockSnapshot>): () => void {
  const stopped = new AbortController()
  const timer = setTimeout(() => {
    // It is only a notice: the package may have been replaced since this process was started.
    import('./wait-line.ts').then(({ showWait }) => showWait(path, query, stopped.signal)).catch(() => {})
  }, ANNOUNCE_MS)
  return () => {
    clearTimeout(timer)
    stopped.abort()
  }
}

interface Held {
  readonly ending: Ending
  readonly handle: LockHandle | undefined
}

/** Whatever becomes of it: the command has ended as it has ended. */
async function giveBack(lock: Lock, request: RunRequest, { ending, handle }: Held): Promise<void> {
  const hasDiedHolding = ending.signal !== null || (!ending.hasBegun && lock.recovered)
  // The ticket is left, dead as soon as this process has ended too, so that the next holder has `recovered`.
  if (hasDiedHolding && request.engine === undefined) return
  try {
    const canBeKept = ending.hasBegun && !request.isClosed && lock.held
    if (canBeKept && (await handle?.close()) === true) {
      if (request.isVerbose) say(`a process that the command has left behind keeps '${request.lock}'`)
    } else await lock.release()
  } catch (error) {
    say((error as Error).message)
  }
}

/** For the command. */
function environmentOf(lock: Lock): Record<string, string> {
  return { SLOCKET_TOKEN: String(lock.token), SLOCKET_RECOVERED: lock.recovered ? '1' : '0' }
}

/** At its exit, Node sets terminals to what they were at its start, whatever the command has set them to (`stty`). Not those that are closed. */
function leaveTerminalAsItIs(): void {
  for (const descriptor of [0, 1, 2]) if (tty.isatty(descriptor)) fs.closeSync(descriptor)
}

/**
 * Node looks at `process.stderr` whenever a socket is closed (net.js), be it that of somebody who has asked who holds. That makes the
 * pipe that it may be a non-blocking one, in the middle of what the command writes there, and it fails with EAGAIN.
 */
function leaveErrorOutputAsItIs(): void {
  if (tty.isatty(2)) return
  const chain = (): object => value
  const value = {
    fd: 2,
    isTTY: false,
    write: (text: unknown): boolean => writeError(String(text)),
    // Node 22 and later show a warning by console.error, which listens for errors meanwhile.
    listenerCount: () => 0,
    on: chain,
    once: chain,
    removeListener: chain,
  }
  Object.defineProperty(process, 'stderr', { value, configurable: true })
}

function secondsSince(from: bigint): string {
  return (Number(process.hrtime.bigint() - from) / 1e9).toFixed(3)
}
