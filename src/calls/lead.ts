/**
 * `slocket.lead`: runs a body while this process is the leader.
 *
 *  1. At most one body of a call runs at a time: the call campaigns again only when the body of the previous term has ended.
 *  2. The lock of a term is held until its body has ended, unless it is lost.
 */
import { debug } from '../debug.ts'
import { isSlocketError } from '../errors.ts'
import { claimsOf, createHolding, currentHolding } from '../holding.ts'
import type { Lock } from '../lock.ts'
import { monotonicNowMs, setImmediate, setTimeout, clearTimeout } from '../real-time.ts'
import type { AcquireRequest, Grant } from '../requests/engine.ts'
import { onAbort } from '../requests/on-abort.ts'
import type { Acquire, BodyRequest } from './acquire-for.ts'
import { pinEngine } from './pinned-engine.ts'
import { releaseQuietly, runUnder } from './run-under.ts'

/** The minimum time between the starts of two campaigns, in ms. */
const PAUSE_MS = 1000

/** A call that wants to lead. */
interface Candidacy extends Omit<BodyRequest, 'outer'> {
  readonly acquire: Acquire
}

type Body<T> = (lock: Lock, signal: AbortSignal) => T | Promise<T>

/** @throws what the campaign fails with; what `body` throws while it leads; `signal.reason`. */
export async function lead<T>(candidacy: Candidacy, body: Body<T>): Promise<T> {
  const { signal } = candidacy.asked
  const campaign = campaignOf(candidacy)
  // Bound: the signal, or the end of a body that leads.
  for (;;) {
    const startMs = monotonicNowMs()
    const lock = await campaign()
    const term = lock === undefined ? undefined : await serve(candidacy, lock, body)
    if (term !== undefined) return term.result
    await pause(startMs + PAUSE_MS - monotonicNowMs(), signal)
  }
}

/**
 * Returns a function that acquires the lock. It resolves with undefined if no server can be reached, provided that a request has had its place in the queue before: what ended a
 * term usually makes the next campaign fail, too. Before that, the address may be wrong.
 */
function campaignOf({ engine, path, resource, asked, acquire }: Candidacy): () => Promise<Lock | undefined> {
  let hasJoined = false
  async function join(request: AcquireRequest): Promise<Grant | null> {
    let hasFailed = false
    // `onQueued` is called right before a request fails, too.
    const onQueued = (): void => void setImmediate(() => (hasJoined ||= !hasFailed))
    try {
      const grant = await engine.acquire(resource, { ...request, onQueued })
      hasJoined = true
      return grant
    } catch (error) {
      hasFailed = true
      throw error
    }
  }
  const pinned = { ...asked, engine: pinEngine(engine, resource, join) }
  return async () => {
    try {
      return await acquire(path, pinned, claimsOf(currentHolding(), engine, resource))
    } catch (error) {
      if (!hasJoined || !isSlocketError(error, 'ERR_SLOCKET_UNREACHABLE')) throw error
      debug('%s: campaigns again: %s', path, error)
      return undefined
    }
  }
}

/** Runs one term. Resolves with undefined if the lock was lost before the body had ended. */
async function serve<T>(
  { engine, resource, path, asked: { signal } }: Candidacy,
  lock: Lock,
  body: Body<T>,
): Promise<{ readonly result: T } | undefined> {
  if (signal?.aborted === true) {
    await releaseQuietly([lock])
    signal.throwIfAborted()
  }
  const term = new AbortController()
  const stops = [lock.lossSignal, ...(signal === undefined ? [] : [signal])].map((one) => {
    if (one.aborted) term.abort(one.reason)
    return one.aborted ? () => {} : onAbort(one, () => term.abort(one.reason))
  })
  const holding = createHolding({ engine, resource, outer: currentHolding() }, lock)
  try {
    const result = await runUnder({ holdings: [holding], locks: [lock] }, async () => {
      try {
        return await body(lock, term.signal)
      } finally {
        // Checked before the release: after that the loss could no longer be seen.
        if (lock.loss !== undefined) debug('%s: the body has ended after the loss', path)
      }
    })
    return { result }
  } catch (error) {
    if (lock.loss === undefined) throw error
    debug('%s: the lead was lost: %s', path, error)
    return undefined
  } finally {
    for (const stop of stops) stop()
  }
}

/** @throws `signal.reason` if the signal aborts, or has aborted. */
async function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  signal?.throwIfAborted()
  if (ms <= 0) return
  await new Promise<void>((resolve) => {
    const timer = setTimeout(end, ms)
    const stop = signal && onAbort(signal, end)
    function end(): void {
      clearTimeout(timer)
      stop?.()
      resolve()
    }
  })
  signal?.throwIfAborted()
}
