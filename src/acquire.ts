/** Acquires a lock from an engine, with or without a time limit. */
import type { Claim } from './core/claim.ts'
import type { AcquireRequest, Engine, Grant, Requester } from './requests/engine.ts'
import { inNextTurn, isTurnDue } from './requests/event-loop.ts'
import { onAbort } from './requests/on-abort.ts'
import type { Asker } from './requests/request.ts'
import { Request } from './requests/request.ts'
import { askOf } from './requests/ticket-engine.ts'
import { HolderLook } from './holder-look.ts'
import { Lock } from './lock.ts'
import type { WaitNotice } from './lock-state.ts'
import type { Asked } from './options.ts'
import { warnOfSelfWait } from './self-wait-warning.ts'
import { timeoutError } from './timeout-error.ts'
import { WaitNotices } from './wait-notices.ts'
import { setTimeout, clearTimeout, setImmediate, wallNowMs, monotonicNowMs } from './real-time.ts'

/** How long before the deadline to ask who holds the lock, in ms. It is enough for a busy server to answer. */
const LEAD_MS = 500

const TIMED_OUT = Symbol('timed out')

/** Resolves with null only if `wait` is false. */
export function acquireOnce(
  engine: Engine,
  path: string,
  asked: Asked,
  how: Pick<AcquireRequest, 'wait' | 'signal'>,
): Promise<Lock | null> {
  const wait = new Wait(engine, path, asked, how.wait, how.signal)
  const ask = askOf(engine)
  if (ask !== undefined) ask(path, new Request(wait, wait))
  else askAnyEngine(engine, path, wait)
  return wait.promise
}

/** Asks an engine that has no faster way. Never throws. */
function askAnyEngine(engine: Engine, path: string, request: Wait): void {
  const { claim, wait, label, lingerMs, sliceMs, identity, signal } = request
  const onSelfWait: AcquireRequest['onSelfWait'] = (holder) => request.onSelfWait(holder)
  try {
    engine
      .acquire(path, { claim, wait, label, lingerMs, sliceMs, signal, identity, onSelfWait })
      .then(
        (grant) => request.onGrant(grant),
        (error: unknown) => request.onError(error),
      )
      .catch((error: unknown) => request.fail(error))
  } catch (error) {
    // It has thrown, or has returned no promise.
    request.fail(error)
  }
}

/** The functions of the promise that is being made. */
let resolveNew: ((lock: Lock | null) => void) | undefined
let rejectNew: ((error: unknown) => void) | undefined

/** For `new Promise`. One function for all promises, so that no call has to make one of its own. */
function keepSettlers(resolve: (lock: Lock | null) => void, reject: (error: unknown) => void): void {
  resolveNew = resolve
  rejectNew = reject
}

/** A wait without a time limit: the request, and the promise that settles with its result. One object, because what a call allocates is a good part of its time. */
class Wait implements AcquireRequest, Asker {
  readonly promise: Promise<Lock | null> = new Promise(keepSettlers)
  private readonly resolve: (lock: Lock | null) => void = resolveNew!
  /** Rejects at once. */
  readonly fail: (error: unknown) => void = rejectNew!
  readonly claim: Claim
  readonly wait: boolean
  readonly label: string | undefined
  readonly lingerMs: number
  readonly sliceMs: number
  readonly signal: AbortSignal | undefined
  readonly identity: object | undefined
  private readonly engine: Engine
  private readonly path: string
  private readonly asked: Asked
  private readonly wasAborted: boolean

  constructor(engine: Engine, path: string, asked: Asked, wait: boolean, signal: AbortSignal | undefined) {
    this.claim = asked.claim
    this.wait = wait
    this.label = asked.label
    this.lingerMs = asked.lingerMs
    this.sliceMs = asked.sliceMs
    this.signal = signal
    this.identity = asked.identity
    this.engine = engine
    this.path = path
    this.asked = asked
    this.wasAborted = signal?.aborted === true
    // They would keep the lock alive.
    resolveNew = undefined
    rejectNew = undefined
  }

  onSelfWait(holder: Pick<Requester, 'label' | 'sinceMs'>): void {
    warnOfSelfWait(this.engine, this.path, this.label, holder)
  }

  onGrant(grant: Grant | null): void {
    if (grant === null) return void setImmediate(this.resolve, null)
    const lock = new Lock(this.path, this.asked, grant)
    if (isTurnDue()) inNextTurn(this.resolve, lock)
    else this.resolve(lock)
  }

  onError(error: unknown): void {
    // If the caller aborts a wait, it rejects at once. Otherwise it takes a turn of the event loop, as above: see event-loop.ts.
    if (this.signal?.aborted === true && !this.wasAborted) this.fail(error)
    else setImmediate(this.fail, error)
  }
}

const WAITS = { wait: true, signal: undefined } as const

/** Waits for the lock, with or without a time limit, with or without wait notices. @throws ERR_SLOCKET_TIMEOUT. */
export function acquireInTurn(engine: Engine, path: string, asked: Asked): Promise<Lock> {
  const { timeoutMs, signal, onWait } = asked
  // With a limit of 0 it doesn't wait.
  if (onWait !== undefined && timeoutMs !== 0) return acquireWithNotices(engine, path, asked, onWait)
  if (timeoutMs !== undefined) return acquireWithin(engine, path, asked, timeoutMs)
  // A request that waits is never refused.
  return acquireOnce(engine, path, asked, signal === undefined ? WAITS : { wait: true, signal }) as Promise<Lock>
}

function acquireWithNotices(
  engine: Engine,
  path: string,
  asked: Asked,
  onWait: (notice: WaitNotice) => void,
): Promise<Lock> {
  const { label, noticeAfterMs } = asked
  const resource = engine.resolve?.(path) ?? path
  const identity = {}
  const notices = new WaitNotices({ engine, resource, label, identity, sinceMs: wallNowMs(), noticeAfterMs, onWait })
  return acquireInTurn(engine, path, { ...asked, identity, onWait: undefined }).finally(() => notices.stop())
}

/** @throws ERR_SLOCKET_TIMEOUT, which isn't delayed if a holder or a server does not answer. */
function acquireWithin(engine: Engine, path: string, asked: Asked, timeoutMs: number): Promise<Lock> {
  if (timeoutMs === 0) return acquireNow(engine, path, asked)
  return new Promise((resolve, reject) => {
    new TimedWait({ engine, path, asked, timeoutMs }, resolve, reject).start()
  })
}

async function acquireNow(engine: Engine, path: string, asked: Asked): Promise<Lock> {
  const { signal } = asked
  // Resolved now: a relative path means another lock once the working directory has changed.
  const resource = engine.resolve?.(path) ?? path
  const lock = await acquireOnce(engine, path, asked, { wait: false, signal })
  if (lock !== null) return lock
  const error = await timeoutError(new HolderLook(engine, resource), path, asked.limitMs ?? 0)
  signal?.throwIfAborted()
  throw error
}

interface TimedRequest {
  readonly engine: Engine
  readonly path: string
  readonly asked: Asked
  readonly timeoutMs: number
}

/**
 * One wait with a time limit. It asks who holds the lock shortly before the deadline, so that the error can say so at the deadline. If the engine
 * has to cancel the wait on a server, this waits for that: once this has rejected, nothing is held.
 */
class TimedWait implements Asker {
  private readonly request: TimedRequest
  private readonly resolve: (lock: Lock) => void
  private readonly reject: (error: unknown) => void
  private readonly sinceMs: number = wallNowMs()
  private readonly identity: object
  private readonly deadlineMs: number
  private readonly wasAborted: boolean
  private isSettled: boolean = false
  /** Ends the wait, which then rejects with the reason. */
  private cancel: ((reason: unknown) => void) | undefined = undefined
  private stopListening: (() => void) | undefined = undefined
  private resource: string = ''
  private timer: NodeJS.Timeout | undefined = undefined
  private look: HolderLook | undefined = undefined

  constructor(request: TimedRequest, resolve: (lock: Lock) => void, reject: (error: unknown) => void) {
    this.request = request
    this.resolve = resolve
    this.reject = reject
    this.identity = request.asked.identity ?? this
    this.deadlineMs = monotonicNowMs() + request.timeoutMs
    this.wasAborted = request.asked.signal?.aborted === true
  }

  start(): void {
    const { engine, path, timeoutMs } = this.request
    this.ask()
    // A free lock is granted during the call and needs no timer.
    if (this.isSettled) return
    try {
      // Resolved now: a relative path means another lock once the working directory has changed.
      this.resource = engine.resolve?.(path) ?? path
    } catch (error) {
      return this.cancel!(error)
    }
    this.timer = setTimeout(() => this.startLook(), timeoutMs - Math.min(LEAD_MS, timeoutMs / 2))
  }

  private ask(): void {
    const { engine, path, asked } = this.request
    const { claim, label, lingerMs, sliceMs, signal } = asked
    // Without `onSelfWait`: its timeout ends the wait, and the error names the holder.
    const request: AcquireRequest = { claim, wait: true, label, lingerMs, sliceMs, signal, identity: this.identity }
    const ask = askOf(engine)
    if (ask !== undefined) {
      const direct = new Request(request, this)
      this.cancel = (reason) => direct.cancel(reason)
      return ask(path, direct)
    }
    const controller = new AbortController()
    this.cancel = (reason) => controller.abort(reason)
    if (this.wasAborted) controller.abort(signal!.reason)
    else this.stopListening = signal && onAbort(signal, () => controller.abort(signal.reason))
    engine
      .acquire(path, { ...request, signal: controller.signal })
      .then(
        (grant) => this.onGrant(grant),
        (error: unknown) => this.onError(error),
      )
      .catch(this.reject)
  }

  onGrant(grant: Grant | null): void {
    const { path, asked } = this.request
    this.settle()
    this.look?.end()
    // A request that waits is never refused.
    const lock = new Lock(path, asked, grant!)
    if (isTurnDue()) inNextTurn(this.resolve, lock)
    else this.resolve(lock)
  }

  onError(error: unknown): void {
    this.settle()
    if (error === TIMED_OUT) return void this.rejectTimedOut()
    this.look?.end()
    if (this.request.asked.signal?.aborted === true && !this.wasAborted) this.reject(error)
    else setImmediate(this.reject, error)
  }

  private settle(): void {
    this.isSettled = true
    this.stopListening?.()
    if (this.timer !== undefined) clearTimeout(this.timer)
  }

  private startLook(): void {
    this.look = new HolderLook(this.request.engine, this.resource)
    this.timer = setTimeout(() => this.endWait(), Math.max(1, this.deadlineMs - monotonicNowMs()))
  }

  private endWait(): void {
    this.look!.hurry()
    this.cancel!(TIMED_OUT)
  }

  private async rejectTimedOut(): Promise<void> {
    const { path, asked, timeoutMs } = this.request
    const { label, signal, limitMs = timeoutMs } = asked
    const error = await timeoutError(this.look!, path, limitMs, {
      label,
      sinceMs: this.sinceMs,
      identity: this.identity,
    })
    this.reject(signal?.aborted === true ? signal.reason : error)
  }
}
