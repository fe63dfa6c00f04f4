/**
 * `slocket run`: runs a command under a lock, as a replacement for flock(1).
 *
 *  1. The lock lives as long as the command: it has the ticket's socket open, so the ticket lives even if this process is killed.
 *  2. When the command has exited, the lock is released, unless a process that it has left behind still has the socket. If a signal
 *     ended the command, it died while holding, and the next holder has `recovered`. If the command never began, its `recovered` passes to the next holder.
 *  3. With another engine (`--engine`) there is no such socket: the lock lives as long as this process, which ends the command by a signal if
 *     the lock is lost.
 *  4. Descriptors 0, 1 and 2 belong to the command, and so does the channel of a supervisor: nothing is read from them, and their modes
 *     stay as they are.
 */
import { resolve } from 'node:path'
import fs from 'node:fs'
import tty from 'node:tty'
import { acquireInTurn, acquireOnce } from '../acquire.ts'
import type { Engine } from '../requests/engine.ts'
import { openLocal } from '../engines/local/index.ts'
import type { LockHandle } from '../engines/local/lock-handle.ts'
import { isSlocketError } from '../errors.ts'
import type { Lock } from '../lock.ts'
import { toSnapshot } from '../lock-request.ts'
import { callOptions, parseOptions } from '../options.ts'
import { clearTimeout, monotonicNowMs, setTimeout } from '../real-time.ts'
import type { Ending } from './child.ts'
import { runCommand } from './child.ts'
import { takeChannel } from './channel.ts'
import { inheritedDescriptors } from './inherited.ts'
import { UNAVAILABLE, UsageError } from './exit-status.ts'
import { checkLockPath } from './lock-path.ts'
import { announceWait, reportObstacle } from './notices.ts'
import { print, say, writeError } from './output.ts'
import { makeParents } from '../engines/local/parents.ts'
import type { RunRequest } from './run-options.ts'
import { parseRun } from './run-options.ts'
import { dieBy, Signals } from './signals.ts'

/** Ends the process as the command ended. */
export async function run(parameters: readonly string[]): Promise<void> {
  await runUnderLock(parseRun(parameters))
}

/** As {@link run}. Must be called before the event loop turns. */
export async function runUnderLock(request: RunRequest): Promise<never> {
  const channel = takeChannel()
  leaveErrorOutputAsItIs()
  const inherited = inheritedDescriptors()
  const signals = new Signals()
  if (request.engine === undefined) checkLockPath(request.lock)
  if (request.makesParents) makeParents(resolve(request.lock))
  const local = request.engine === undefined ? openLocal(request.access) : undefined
  const engine = local?.engine ?? (await openOther(request))
  if (local !== undefined)
    await reportObstacle(request.lock, async () => await engine.query(request.lock), request.isQuiet ? () => {} : say)
  const lock = await acquire(request, engine, signals)
  if (signals.early !== undefined) {
    if (lock?.recovered !== true) await lock?.release()
    dieBy(signals.early)
  }
  if (lock === null) process.exit(request.conflictStatus)
  // The signal is read first: if it were read after the loss, it would already have aborted, and would call no listener.
  const { signal } = lock
  lock.assertHeld()
  signal.addEventListener('abort', () => onLost(lock, request, signals))
  const heldUntil = monotonicNowMs() + request.atLeastMs
  const handle = local?.handleOf(request.lock)
  const descriptors = { inherited, channel, lock: request.isClosed ? [] : (handle?.descriptors ?? []) }
  const ending = await runCommand(request.command, environmentOf(lock), descriptors, signals)
  // A command that never began has done nothing, so the next command doesn't have to keep its distance.
  if (ending.hasBegun) await holdUntil(heldUntil, lock, signals)
  await releaseLock(lock, request, { ending, handle })
  return await endAs(ending, request, signals)
}

/** Runs the command at once, and ends the process as the command ended: for `flock -u`. */
export async function runWithoutLock(request: RunRequest): Promise<never> {
  const descriptors = { channel: takeChannel(), inherited: inheritedDescriptors(), lock: [] }
  leaveErrorOutputAsItIs()
  const signals = new Signals()
  return await endAs(await runCommand(request.command, {}, descriptors, signals), request, signals)
}

/** Waits until `deadline`, unless the lock is lost, or a signal ends the process. */
async function holdUntil(deadline: number, lock: Lock, signals: Signals): Promise<void> {
  const remainingMs = deadline - monotonicNowMs()
  // RACE: a signal that was passed on may have come when the command had ended but this process did not know it yet.
  if (remainingMs <= 0 || signals.isToEnd) return
  const signal = AbortSignal.any([signals.takeBack(), lock.signal])
  await new Promise<void>((onOver) => {
    const end = (): void => {
      clearTimeout(timer)
      onOver()
    }
    const timer = setTimeout(end, remainingMs)
    if (signal.aborted) end()
    else signal.addEventListener('abort', end)
  })
}

async function endAs(ending: Ending, { isFlock }: RunRequest, signals: Signals): Promise<never> {
  leaveTerminalAsItIs()
  // It came after the command had ended.
  if (signals.early !== undefined) dieBy(signals.early)
  // Ends by the same signal, so that the shell sees that its ctrl-C ended the command.
  if (ending.signal !== null && (await signals.cameFromTerminal(ending.signal))) dieBy(ending.signal)
  process.exit(ending.hasBegun || !isFlock ? ending.status : UNAVAILABLE)
}

/** Loads the engines on demand: that takes longer than acquiring a local lock. @throws UsageError */
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

const OPTIONS = callOptions('slocket run')

/** Resolves with null if the lock could not be acquired in time, or if a signal cancelled the wait. */
async function acquire(request: RunRequest, engine: Engine, { cancelled }: Signals): Promise<Lock | null> {
  const { lock: path, isTry, isFlock } = request
  const asked = parseOptions({ ...request.options, linger: 0, signal: cancelled }, OPTIONS)
  // flock(1) prints no such notice, and cron would mail it.
  const isAnnounced = !isTry && !request.isQuiet && (!isFlock || tty.isatty(2))
  const stopNotice = isAnnounced ? announceWait(path, async () => toSnapshot(await engine.query(path))) : undefined
  const from = process.hrtime.bigint()
  try {
    const lock = await (isTry
      ? acquireOnce(engine, path, asked, { wait: false, signal: cancelled })
      : acquireInTurn(engine, path, asked))
    stopNotice?.()
    if (request.isVerbose) sayResult(request, lock !== null, secondsSince(from))
    return lock
  } catch (error) {
    stopNotice?.()
    if (cancelled.aborted) return null
    // Arguments that only the engine refuses, such as `--take 101` on Windows.
    if (error instanceof RangeError) throw new UsageError(error.message)
    if (!isSlocketError(error, 'ERR_SLOCKET_TIMEOUT')) throw error
    if (request.isVerbose) sayTimeout(request, error.message)
    return null
  }
}

// The same text on the same descriptor as flock(1).

function sayTimeout({ isFlock }: RunRequest, message: string): void {
  if (isFlock) writeError('flock: timeout while waiting to get lock\n')
  else say(message)
}

function sayResult({ lock, isFlock, command }: RunRequest, isHeld: boolean, seconds: number): void {
  if (!isHeld) {
    if (isFlock) writeError('flock: failed to get lock\n')
    else say(`'${lock}' is not free`)
  } else if (!isFlock) say(`got '${lock}' after ${seconds.toFixed(3)} s`)
  else {
    try {
      print(`flock: getting lock took ${seconds.toFixed(6)} seconds\nflock: executing ${command[0]}\n`)
    } catch (error) {
      say((error as Error).message)
    }
  }
}

interface Held {
  readonly ending: Ending
  readonly handle: LockHandle | undefined
}

/** Releases the lock. A failure doesn't change the exit status of the command. */
async function releaseLock(lock: Lock, request: RunRequest, { ending, handle }: Held): Promise<void> {
  const hasDiedHolding = ending.signal !== null || (!ending.hasBegun && lock.recovered)
  // The ticket is left behind. It is dead as soon as this process has ended, too, so that the next holder has `recovered`.
  if (hasDiedHolding && request.engine === undefined) return
  try {
    const canBeKept = ending.hasBegun && !request.isClosed && lock.held
    if (canBeKept && (await handle?.close()) === true) {
      // flock(1) doesn't print this.
      if (request.isVerbose && !request.isFlock)
        say(`a process that the command has left behind keeps '${request.lock}'`)
    } else await lock.release()
  } catch (error) {
    say((error as Error).message)
  }
}

/** Returns the environment of the command. */
function environmentOf(lock: Lock): Record<string, string> {
  return { SLOCKET_TOKEN: String(lock.token), SLOCKET_RECOVERED: lock.recovered ? '1' : '0' }
}

/** Closes the terminals that are open: when Node exits, it resets open terminals to their state at its start, whatever the command has set (`stty`). */
function leaveTerminalAsItIs(): void {
  for (const descriptor of [0, 1, 2]) if (tty.isatty(descriptor)) fs.closeSync(descriptor)
}

/**
 * Node reads `process.stderr` whenever a socket is closed (net.js), even the socket of a process that asked who holds. If stderr is a pipe, reading the property
 * makes the pipe non-blocking for the command, too, and a write of the command fails with EAGAIN.
 */
function leaveErrorOutputAsItIs(): void {
  if (tty.isatty(2)) return
  const chain = (): object => value
  const value = {
    fd: 2,
    isTTY: false,
    write: (text: unknown): boolean => writeError(String(text)),
    // Node 22 and later print a warning with console.error, which listens for errors meanwhile.
    listenerCount: () => 0,
    on: chain,
    once: chain,
    removeListener: chain,
  }
  Object.defineProperty(process, 'stderr', { value, configurable: true })
}

function secondsSince(from: bigint): number {
  return Number(process.hrtime.bigint() - from) / 1e9
}
