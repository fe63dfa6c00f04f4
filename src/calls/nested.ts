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
import type { Holding } from '../holding.ts'
import { createHolding, enterNested, holdingThatCovers, leaveNested } from '../holding.ts'
import { Lock } from '../lock.ts'
import type { Asked } from '../options.ts'
import { acquireFor } from './acquire-for.ts'
import type { Acquire, BodyRequest } from './acquire-for.ts'
import { runUnder } from './run-under.ts'

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
  const entering = enterHeld(request)
  const nested = entering === undefined ? undefined : await entering
  if (nested !== undefined) holdAtLeast(nested.holding, request.asked)
  const { lock, holding } = nested ?? (await acquireFor(request))
  return await runUnder({ holdings: [holding], locks: [lock] }, () => body(lock))
}

/**
 * Returns a lock that stands for the lock of the calling code. Undefined, at once or through the promise, if the calling code holds none, or if its lock doesn't cover what
 * is asked for.
 *
 * @throws (by the promise) `signal.reason` if the signal has aborted.
 */
export function enterHeld(request: BodyRequest): Promise<Nested | undefined> | undefined {
  const { engine, resource, asked, outer } = request
  const around = holdingThatCovers(outer, engine, resource, asked.claim)
  return around === undefined ? undefined : enter(request, around)
}

/** Applies the option `atLeast` of a nested call to the outer lock. Does nothing for a lock that the call itself acquired: its time counts from its grant. */
export function holdAtLeast({ owner, acquired }: Holding, { atLeastMs }: Asked): void {
  if (owner !== undefined && atLeastMs > 0) acquired?.holdAtLeast(atLeastMs)
}

async function enter(request: BodyRequest, around: Holding): Promise<Nested | undefined> {
  const { path, asked, outer } = request
  if (asked.signal?.aborted === true) {
    await nextTurn()
    asked.signal.throwIfAborted()
  }
  const { engine, resource, owner = around } = around
  const acquired = around.acquired!
  // Before any turn of the event loop: the outer body may end in it, and the lock has to stay held.
  enterNested(owner)
  // As with a grant, a loop of such calls must not starve the event loop.
  if (isTurnDue()) await new Promise<void>((resolve) => inNextTurn(resolve))
  if (!acquired.held || !covers(acquired.claim, asked.claim)) {
    // RACE: in that turn, the outer body has released or downgraded its lock. Then this call waits for its turn like any other call.
    leaveNested(owner)
    return undefined
  }
  const isExclusive = asked.claim.kind === 'exclusive'
  const grant = nestedGrant(acquired, isExclusive, () => leaveNested(owner))
  const lock = new Lock(path, { ...asked, atLeastMs: 0 }, grant)
  return { lock, holding: createHolding({ engine, resource, outer }, lock, { acquired, owner }) }
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
