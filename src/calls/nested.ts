/**
 * The option `reentrant`: a call from the body of another call runs under the lock that the outer call holds.
 *
 *  1. The nested call releases nothing. It has a lock object of its own, which ends with the nested body.
 *  2. The call that acquired the lock releases it once all nested calls have ended, at any depth, even if no body has waited for them.
 *  3. If the lock is lost, or the outer body has released it explicitly, the nested call has lost it. A nested call that asked for an exclusive lock also loses it if the
 *     outer body downgrades it.
 *  4. A nested call that downgrades has a shared lock itself. The outer body still relies on an exclusive lock, so nobody else gets the lock.
 */
import { covers } from '../core/claim.ts'
import type { Grant } from '../requests/engine.ts'
import { nextTurn } from '../real-time.ts'
import { inNextTurn, isTurnDue } from '../requests/event-loop.ts'
import { onAbort } from '../requests/on-abort.ts'
import { SlocketError } from '../errors.ts'
import type { Holding, Nesting } from '../holding.ts'
import { createHolding, enterNested, holdingThatCovers, leaveNested } from '../holding.ts'
import { Lock } from '../lock.ts'
import type { Asked } from '../options.ts'
import { acquireFor } from './acquire-for.ts'
import type { Acquire, BodyRequest } from './acquire-for.ts'
import { runUnder } from './run-under.ts'

/** A nested call that was counted. */
export interface Reservation {
  /** The holding that covers it. */
  readonly around: Holding
  readonly acquired: Lock
  /** Must be ended by `leaveNested`. */
  readonly nesting: Nesting
}

/** A lock for a nested call. Must be followed by {@link holdAtLeast}, once the call has everything that it needs. */
interface Nested {
  readonly lock: Lock
  readonly holding: Holding
}

/**
 * Runs `body` under the lock that the calling code holds; otherwise acquires the lock, in the call itself.
 *
 * @throws what `body` throws; `signal.reason`; what `acquire` throws; ERR_SLOCKET_LOST; ERR_SLOCKET_NOT_RELEASED.
 */
export async function runReentrant<T>(
  request: BodyRequest & { readonly acquire: Acquire },
  body: (lock: Lock) => T | Promise<T>,
): Promise<T> {
  const reserved = reserve(request)
  const nested = reserved === undefined ? undefined : await enter(request, reserved)
  if (nested !== undefined) holdAtLeast(nested.holding, request.asked)
  const { lock, holding } = nested ?? (await acquireFor(request))
  return await runUnder({ holdings: [holding], locks: [lock] }, () => body(lock))
}

/**
 * Counts a nested call, so that the call around keeps the lock for it. Must be followed by {@link enter}, or by `leaveNested`. Undefined if the calling code doesn't hold the
 * lock, or not with a claim that covers what is asked for.
 */
export function reserve({ engine, resource, asked, outer }: BodyRequest): Reservation | undefined {
  const around = holdingThatCovers(outer, engine, resource, asked.claim)
  if (around === undefined) return undefined
  return { around, acquired: around.acquired!, nesting: enterNested(around.nesting?.owner ?? around) }
}

/** Applies the option `atLeast` of a nested call to the outer lock. Does nothing for a lock that the call itself acquired: its time counts from its grant. */
export function holdAtLeast({ nesting, acquired }: Holding, { atLeastMs }: Asked): void {
  if (nesting !== undefined && atLeastMs > 0) acquired?.holdAtLeast(atLeastMs)
}

/**
 * Resolves with a lock that stands for the lock of the calling code. Undefined if the calling code no longer holds a lock that covers what is asked for: then the call
 * waits for its turn like any other call.
 *
 * @throws (by the promise) `signal.reason` if the signal has aborted.
 */
export async function enter(request: BodyRequest, reserved: Reservation): Promise<Nested | undefined> {
  const { path, asked, outer } = request
  if (asked.signal?.aborted === true) {
    leaveNested(reserved.nesting)
    await nextTurn()
    throw asked.signal.reason
  }
  // As with a grant, a loop of such calls must not starve the event loop.
  if (isTurnDue()) await new Promise<void>((resolve) => inNextTurn(resolve, undefined))
  let current: Reservation | undefined = reserved
  if (!reserved.acquired.held || !covers(reserved.acquired.claim, asked.claim)) {
    // RACE: since the call, the outer body has released or downgraded its lock. A body around that one may hold the lock, too.
    current = reserve(request)
    leaveNested(reserved.nesting)
    if (current === undefined) return undefined
  }
  const { around, acquired, nesting } = current
  const grant = nestedGrant(acquired, asked.claim.kind === 'exclusive', () => leaveNested(nesting))
  const lock = new Lock(path, { ...asked, atLeastMs: 0 }, grant)
  const holding = createHolding({ engine: around.engine, resource: around.resource, outer }, lock, {
    acquired,
    nesting,
  })
  return { lock, holding }
}

/** @param leave called once, when the nested call has released the lock, or lost it. */
function nestedGrant(held: Lock, isExclusive: boolean, leave: () => void): Grant {
  const stops: (() => void)[] = []
  let countsOnExclusion = isExclusive
  let lose: (error: Error) => void = () => {}
  let isOver = false
  const end = (): void => {
    if (isOver) return
    isOver = true
    for (const stop of stops) stop()
    leave()
  }
  const listen = (signal: AbortSignal, listener: () => void): void => {
    if (signal.aborted) listener()
    else stops.push(onAbort(signal, listener))
  }
  return {
    isNested: true,
    token: held.token,
    recovered: held.recovered,
    release: end,
    downgrade() {
      countsOnExclusion = false
    },
    onLost(listener) {
      lose = (error) => {
        end()
        listener(error)
      }
      listen(held.lossSignal, () => lose(held.lossSignal.reason as Error))
      stops.push(held.onRelease(() => lose(releasedError(held))))
      stops.push(held.onDowngrade(() => countsOnExclusion && lose(downgradedError(held))))
    },
    isHeld() {
      if (isOver) return false
      if (held.held) return true
      lose(held.loss ?? releasedError(held))
      return false
    },
    onWanted: (listener) => listen(held.wanted, listener),
  }
}

function releasedError({ name }: Lock): SlocketError {
  return new SlocketError('ERR_SLOCKET_LOST', `the lock '${name}' was released by the body of the call around`)
}

function downgradedError({ name }: Lock): SlocketError {
  return new SlocketError('ERR_SLOCKET_LOST', `the lock '${name}' was downgraded by the body of the call around`)
}
