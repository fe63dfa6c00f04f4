/** The messages of diagnostics.ts: those of one lock are one object, which is kept until the lock is released. */
import { permitsOf, takeOf } from './core/claim.ts'
import { channels } from './diagnostics.ts'
import type { LockTrace, TracedLock } from './diagnostics.ts'
import type { Asked } from './options.ts'
import { setImmediate, clearImmediate, monotonicNowMs } from './real-time.ts'

interface Held {
  readonly trace: LockTrace
  readonly sinceMs: number
}

const held = new WeakMap<TracedLock, Held>()

export function traceOf(name: string, { claim, mode, label }: Asked, isTry: boolean): LockTrace {
  return { name, mode, permits: permitsOf(claim), take: takeOf(claim), label, isTry }
}

/** Returns the function to call with each wait notice: it notifies subscribers first, then calls `onWait`. Undefined if there is neither. */
export function publishNotices(trace: LockTrace, onWait: Asked['onWait']): Asked['onWait'] {
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
  return publishGranted(trace, lock)
}

/** Calls `publish` if the request waits: a free lock is granted within one turn of the event loop. Returns a function that prevents the call. */
function whenWaiting(publish: () => void): () => void {
  let notYet = setImmediate(() => {
    notYet = setImmediate(publish).unref()
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
  return publishGranted(trace, lock)
}

function publishGranted<L extends TracedLock | null>(trace: LockTrace, lock: L): L {
  if (lock === null) return lock
  trace.token = lock.token
  trace.recovered = lock.recovered
  held.set(lock, { trace, sinceMs: monotonicNowMs() })
  channels().granted.publish(trace)
  return lock
}

/** Its `mode` is `shared` by now. */
export function publishDowngraded(lock: TracedLock): void {
  const trace = held.get(lock)?.trace
  if (trace !== undefined) Object.assign(trace, { mode: lock.mode })
  const { downgraded } = channels()
  if (downgraded.hasSubscribers) downgraded.publish(trace ?? ofLock(lock))
}

export function publishReleased(lock: TracedLock): void {
  channels().released.publish(endOf(lock))
}

export function publishLost(lock: TracedLock, error: Error): void {
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
