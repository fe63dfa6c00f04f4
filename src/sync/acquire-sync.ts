/** `slocket.sync`: what is asked, and what comes of it. */
import { isExiting } from '../contract/exiting.ts'
import type { Claim } from '../core/claim.ts'
import { isObserved, observeSync, traceOf } from '../diagnostics.ts'
import { SlocketError } from '../errors.ts'
import type { SlocketOptions } from '../options.ts'
import { checkPath, parseOptions } from '../options.ts'
import type { Answer, Place } from './messages.ts'
import { fromPlain } from './plain-error.ts'
import { askStandIn } from './stand-in.ts'
import { SyncLock } from './sync-lock.ts'

/** What can be said with a path to a call that blocks. */
export type SyncOptions = Omit<SlocketOptions, 'signal' | 'engine'>

/** What this thread has in the queue of a lock by its own event loop. */
type OwnClaims = (path: string) => readonly Claim[]

/** Makes `slocket.sync`. */
export function createSync(ownClaims: OwnClaims): (path: string, options?: SyncOptions) => SyncLock {
  return (path, options) => {
    checkPath(path)
    const { signal, engine, timeoutMs } = parseOptions(options)
    if (signal !== undefined)
      throw new TypeError('options.signal has no meaning here: nothing aborts it while this blocks')
    if (engine !== undefined) throw new TypeError('options.engine has no meaning here: sync is for local locks')
    const lock = acquire({ path, mkdirStaleMs: undefined }, options ?? {}, true, timeoutMs === 0 ? [] : ownClaims(path))
    // One that waits is never refused.
    return lock as SyncLock
  }
}

/** Null where it is not free. */
export function trySync(place: Place, options: SyncOptions): SyncLock | null {
  return acquire(place, options, false, [])
}

/** Whether somebody holds it. */
export function isLockedSync(place: Place): boolean {
  return askStandIn({ do: 'query', ...place }, (answer) => {
    if (answer.kind === 'locked') return answer.isLocked
    throw failureOf(answer)
  })
}

function acquire(place: Place, options: SyncOptions, wait: boolean, own: readonly Claim[]): SyncLock | null {
  const asked = parseOptions(options)
  const ask = (): SyncLock | null => acquireUnseen(place, options, wait, own)
  return isObserved() ? observeSync(traceOf(place.path, asked, !wait), ask) : ask()
}

function acquireUnseen(place: Place, options: SyncOptions, wait: boolean, own: readonly Claim[]): SyncLock | null {
  const { claim } = parseOptions(options)
  const { mode, permits, timeout, label, linger = isExiting() ? 0 : undefined, access } = options
  const asked = { mode, permits, timeout, label, linger, access }
  return askStandIn({ do: 'acquire', ...place, options: asked, claim, wait, own }, (answer, standIn) => {
    if (answer.kind === 'busy') return null
    if (answer.kind !== 'held') throw failureOf(answer)
    const lock = new SyncLock(place.path, answer.held, standIn)
    standIn.add(lock)
    return lock
  })
}

function failureOf(answer: Answer): Error {
  if (answer.kind === 'error') return fromPlain(answer.error)
  return new SlocketError('ERR_SLOCKET_SYSTEM', `the thread that waits gave an answer of another kind: ${answer.kind}`)
}
