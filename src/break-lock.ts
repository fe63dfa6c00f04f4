/** `slocket.break`: takes a lock away from its holders. */
import { EXCLUSIVE } from './core/claim.ts'
import { SlocketError } from './errors.ts'
import { toLockRequest } from './lock-request.ts'
import type { LockRequest } from './lock-state.ts'
import type { BreakOptions } from './options.ts'
import type { Engine, Requester } from './requests/engine.ts'
import { isSameRequester } from './requests/same-requester.ts'

type Confirm = (held: readonly Requester[]) => Promise<boolean>

/** Resolves with the holders that have lost it. @throws TypeError if the engine can't take a lock away. */
export async function breakLock(
  engine: Engine,
  path: string,
  confirm: BreakOptions['confirm'],
): Promise<LockRequest[]> {
  const isConfirmed: Confirm = async (held) => {
    // Only `true` confirms: if the function forgets to return an answer, nothing is broken.
    const answer: unknown = confirm === undefined || (await confirm(held.map(toLockRequest)))
    return answer === true
  }
  const lost = await (engine.breakHolders?.(path, isConfirmed) ?? stealFromAll(engine, path, isConfirmed))
  return lost.map(toLockRequest)
}

/** Steals the lock and releases it at once. Waiters keep their places. */
async function stealFromAll(engine: Engine, path: string, isConfirmed: Confirm): Promise<readonly Requester[]> {
  // An engine that the user wrote may lack them.
  const { capabilities } = engine as { readonly capabilities?: Engine['capabilities'] }
  if (capabilities?.steal !== true)
    throw new TypeError(`options.engine: a lock of the engine '${engine.name}' cannot be taken away from its holder`)
  const resource = engine.resolve?.(path) ?? path
  const { held: shown } = await engine.query(resource)
  if (shown.some(({ claim }) => claim.kind === 'permit')) {
    // The thief's claim would cause the requests that wait for a permit to be refused.
    throw new SlocketError('ERR_SLOCKET_CLAIM_MISMATCH', `permits of the engine '${engine.name}' cannot be taken away`)
  }
  if (shown.length === 0 || !(await isConfirmed(shown))) return []
  const { held } = await engine.query(resource)
  const isShown = (holder: Requester): boolean => shown.some((before) => isSameRequester(before, holder))
  if (held.length === 0 || !held.every(isShown)) return []
  // RACE: a request that becomes a holder between the look and the theft loses the lock, too.
  const request = { claim: EXCLUSIVE, wait: true, steal: true, label: 'slocket.break()', lingerMs: 0 }
  const grant = await engine.acquire(resource, request)
  await grant!.release()
  return held
}
