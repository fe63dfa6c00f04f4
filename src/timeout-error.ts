/** Makes the error of a wait that timed out. */
import type { Requester } from './requests/engine.ts'
import { addFacts, isSlocketError, printable, SlocketError } from './errors.ts'
import type { HolderLook } from './holder-look.ts'
import { toLockRequest } from './lock-request.ts'
import type { OwnWait } from './own-place.ts'
import { countAhead } from './own-place.ts'
import { wallNowMs } from './real-time.ts'

/**
 * Says who holds the lock, since when, and how many requests wait ahead, for people and for programs. If the server could not be asked, returns its ERR_SLOCKET_UNREACHABLE.
 *
 * @param own undefined for a request that never waits.
 */
export async function timeoutError(
  look: HolderLook,
  path: string,
  timeoutMs: number,
  own?: OwnWait,
): Promise<SlocketError> {
  const { inUse } = look
  let state: string
  let facts: Pick<SlocketError, 'path' | 'held' | 'ahead' | 'obstacle'> = { path }
  try {
    const { held, pending, obstacle } = await look.answer()
    const ahead = countAhead(pending, own)
    const holders = held.length === 0 ? 'nobody holds it now' : `held by ${describeHolders(held)}`
    facts = { path, held: held.map(toLockRequest), ahead, ...(obstacle === undefined ? {} : { obstacle }) }
    state = held.length === 0 && obstacle !== undefined ? obstacle.message : `${holders}; ${ahead} waiting ahead`
  } catch (error) {
    // It isn't reported as a timeout, which would look as if somebody held the lock.
    if (isSlocketError(error, 'ERR_SLOCKET_UNREACHABLE')) return error
    const reason = (error as { name?: unknown } | null)?.name === 'AbortError' ? 'no answer in time' : String(error)
    state = `its holders could not be determined: ${reason}`
  }
  if (inUse !== undefined) state += `; ${inUse}`
  const message = `the lock '${path}' was not free within ${timeoutMs} ms: ${state}`
  return addFacts(new SlocketError('ERR_SLOCKET_TIMEOUT', message), facts)
}

const MOST_HOLDERS = 3

function describeHolders(held: readonly Requester[]): string {
  const described = held.slice(0, MOST_HOLDERS).map(({ pid, sinceMs, label, command, self }) => {
    const details = [self ? 'this process' : command, label === undefined ? undefined : `'${label}'`]
    const known = printable(details.filter((detail) => detail !== undefined).join(', '))
    const holder = pid === undefined ? 'a process that cannot be seen' : `pid ${pid}`
    return `${holder}${known === '' ? '' : ` (${known})`}${describeDuration(sinceMs)}`
  })
  if (held.length > MOST_HOLDERS) described.push(`${held.length - MOST_HOLDERS} more`)
  return described.join(', ')
}

function describeDuration(sinceMs: number | undefined): string {
  if (sinceMs === undefined) return ''
  return ` for ${Math.max(0, (wallNowMs() - sinceMs) / 1000).toFixed(1)} s`
}
