/**
 * Publishes what happens to locks on the channels of node:diagnostics_channel: docs/diagnostics.md. One object per request goes
 * through all channels, so that a subscriber can tell which messages belong together. Without subscribers it costs a few comparisons.
 */
import type { Channel, TracingChannel } from 'node:diagnostics_channel'
import { permitsOf, takeOf } from './core/claim.ts'
import type { WaitNotice } from './lock-state.ts'
import type { Asked, LockMode } from './options.ts'
import { setImmediate, clearImmediate, monotonicNowMs } from './real-time.ts'

/** The message of the diagnostics channels: one object per request, which is completed as the request goes on. */
export interface LockTrace {
  /** The path as passed to `slocket()`. */
  readonly name: string
  /** Whether it allows other holders: `exclusive` or `shared`. A downgrade changes it. */
  readonly mode: LockMode
  /** The number of permits that may be held at the same time, as the request said. `undefined` if the lock isn't a semaphore. */
  readonly permits: number | undefined
  /** How many of the permits it takes. `undefined` if the lock isn't a semaphore. */
  readonly take: number | undefined
  /** Its `options.label`. */
  readonly label: string | undefined
  /** Whether it is a `slocket.try()`, which never waits. */
  readonly isTry: boolean
  /** How long it waited, in milliseconds. Set when it is granted, refused or fails. */
  waitMs?: number
  /** Who is waited for, as passed to `options.onWait`. Set by each wait notice. */
  notice?: WaitNotice
  /** The fencing token. Set when it is granted. */
  token?: bigint
  /** Whether an earlier holder crashed, or ended without releasing. Set when it is granted. */
  recovered?: boolean
  /** How long it was held, in milliseconds. Set when it is released or lost. */
  holdMs?: number
  /** Why it was not granted, or why it was lost. */
  error?: unknown
}

interface Channels {
  readonly acquiring: TracingChannel<unknown, LockTrace>
  readonly waiting: Channel
  readonly noticed: Channel
  readonly granted: Channel
  readonly downgraded: Channel
  readonly released: Channel
  readonly lost: Channel
}

let opened: Channels | undefined

/** Opens the channels at the first request: loading the module and opening them takes 0.2 ms, which an import should not cost. */
function channels(): Channels {
  return (opened ??= openChannels())
}

function openChannels(): Channels {
  const { channel, tracingChannel } = process.getBuiltinModule('node:diagnostics_channel')
  return {
    acquiring: tracingChannel('slocket:acquire'),
    waiting: channel('slocket:wait'),
    noticed: channel('slocket:wait-notice'),
    granted: channel('slocket:grant'),
    downgraded: channel('slocket:downgrade'),
    released: channel('slocket:release'),
    lost: channel('slocket:lost'),
  }
}

/** The properties of a `Lock` that are needed here. */
type TracedLock = Required<Pick<LockTrace, 'name' | 'mode' | 'permits' | 'take' | 'token' | 'recovered'>>

interface Held {
  readonly trace: LockTrace
  readonly sinceMs: number
}

const held = new WeakMap<TracedLock, Held>()

/** Whether a channel that concerns a new request has a subscriber. */
export function isObserved(): boolean {
  const { acquiring, waiting, noticed, granted, downgraded, released, lost } = channels()
  return (
    acquiring.hasSubscribers ||
    waiting.hasSubscribers ||
    noticed.hasSubscribers ||
    granted.hasSubscribers ||
    downgraded.hasSubscribers ||
    released.hasSubscribers ||
    lost.hasSubscribers
  )
}

export function traceOf(name: string, { claim, mode, label }: Asked, isTry: boolean): LockTrace {
  return { name, mode, permits: permitsOf(claim), take: takeOf(claim), label, isTry }
}

/** Returns the function to call with each wait notice: it notifies subscribers first, then calls `onWait`. Undefined if there is neither. */
export function tellNotices(trace: LockTrace, onWait: Asked['onWait']): Asked['onWait'] {
  const { noticed } = channels()
  if (!noticed.hasSubscribers) return onWait
  return (notice) => {
    noticed.publish(Object.assign(trace, { notice }))
    onWait?.(notice)
  }
}

/** Publishes a request from its start to its grant. */
export async function observe<L extends TracedLock | null>(trace: LockTrace, acquire: () => Promise<L>): Promise<L> {
  const sinceMs = monotonicNowMs()
  const stopWaiting = trace.isTry ? undefined : whenWaiting(() => channels().waiting.publish(trace))
  const lock = await channels().acquiring.tracePromise(async () => {
    try {
      return await acquire()
    } finally {
      stopWaiting?.()
      trace.waitMs = monotonicNowMs() - sinceMs
    }
  }, trace)
  return tellGranted(trace, lock)
}

/** Calls `tell` if the request waits: a free lock is granted within one turn of the event loop. Returns a function that prevents the call. */
function whenWaiting(tell: () => void): () => void {
  let notYet = setImmediate(() => {
    notYet = setImmediate(tell).unref()
  }).unref()
  return () => clearImmediate(notYet)
}

/** As `observe`, for a call that blocks: publishes before and after the call, in this thread, on the same channels. */
export function observeSync<L extends TracedLock | null>(trace: LockTrace, acquire: () => L): L {
  const { acquiring } = channels()
  const sinceMs = monotonicNowMs()
  let lock: L
  try {
    lock = acquiring.traceSync(() => {
      try {
        return acquire()
      } finally {
        trace.waitMs = monotonicNowMs() - sinceMs
      }
    }, trace)
  } finally {
    acquiring.asyncStart.publish(trace)
    acquiring.asyncEnd.publish(trace)
  }
  return tellGranted(trace, lock)
}

function tellGranted<L extends TracedLock | null>(trace: LockTrace, lock: L): L {
  if (lock === null) return lock
  trace.token = lock.token
  trace.recovered = lock.recovered
  held.set(lock, { trace, sinceMs: monotonicNowMs() })
  channels().granted.publish(trace)
  return lock
}

/** Its `mode` is `shared` by now. */
export function tellDowngraded(lock: TracedLock): void {
  const trace = held.get(lock)?.trace
  if (trace !== undefined) Object.assign(trace, { mode: lock.mode })
  const { downgraded } = channels()
  if (downgraded.hasSubscribers) downgraded.publish(trace ?? ofLock(lock))
}

export function tellReleased(lock: TracedLock): void {
  const { released } = channels()
  if (released.hasSubscribers) released.publish(endOf(lock))
}

export function tellLost(lock: TracedLock, error: Error): void {
  const { lost } = channels()
  if (lost.hasSubscribers) lost.publish(Object.assign(endOf(lock), { error }))
}

/** If the lock was granted when there was no subscriber, how long it was held isn't known. */
function endOf(lock: TracedLock): LockTrace {
  const known = held.get(lock)
  if (known !== undefined) return Object.assign(known.trace, { holdMs: monotonicNowMs() - known.sinceMs })
  return ofLock(lock)
}

function ofLock({ name, mode, permits, take, token, recovered }: TracedLock): LockTrace {
  return { name, mode, permits, take, token, recovered, label: undefined, isTry: false }
}
