/**
 * Takes a free lock on the calling thread, without another one. The kernel keeps it while the thread blocks: connections of waiters
 * stay in the backlog of its socket, and each of those waiters looks again every 40 ms.
 */
import type { AcquireRequest, Engine, Grant } from '../requests/engine.ts'
import { permitsOf, takeOf } from '../core/claim.ts'
import type { Asked } from '../options.ts'
import type { SyncHolder } from './sync-lock.ts'
import { SyncLock } from './sync-lock.ts'

/** An engine that can take a free lock without waiting for anything. */
export interface ImmediateEngine extends Pick<Engine, 'name' | 'capabilities'> {
  /** Undefined if the lock isn't free, or if that can't be known at once. */
  acquireAtOnce(resource: string, request: AcquireRequest): Grant | undefined
  /** See Engine. */
  makeParents?(resource: string): void
}

/** Undefined if the lock isn't free, or if that can't be known at once. */
export function acquireHere(engine: ImmediateEngine, path: string, name: string, asked: Asked): SyncLock | undefined {
  const { claim, mode, label, lingerMs } = asked
  const grant = engine.acquireAtOnce(path, { claim, wait: true, label, lingerMs })
  if (grant === undefined) return undefined
  const { token, recovered } = grant
  const held = { mode, permits: permitsOf(claim), take: takeOf(claim), token, recovered }
  const lock = new SyncLock(name, held, new OwnThread(grant), 0)
  grant.onLost((error) => lock.lose(error))
  return lock
}

class OwnThread implements SyncHolder {
  readonly #grant: Grant

  constructor(grant: Grant) {
    this.#grant = grant
  }

  /** The thread hears of a loss when it looks. */
  hearLosses(): void {}

  look(): void {
    this.#grant.isHeld?.()
  }

  release(): void {
    // The local engine releases before it returns.
    void this.#grant.release()
  }
}
