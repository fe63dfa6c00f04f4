/** What an acquire rejects with whose time is over. */
import type { Engine, Requester } from './contract/engine.ts'
import { isSlocketError, printable, SlocketError } from './errors.ts'

/** Says who holds it, since when, and how many wait ahead; or, as ERR_SLOCKET_UNREACHABLE, that the server could not be asked. */
export async function timeoutError(
  engine: Engine,
  path: string,
  timeoutMs: number,
  sinceMs: number,
): Promise<SlocketError> {
  // Before anything else can change it.
  const inUse = engine.placesInUse?.()
  let state: string
  try {
    const { held, pending } = await withinLookMs((signal) => engine.query(path, signal))
    const ahead = pending.filter((request) => (request.sinceMs ?? 0) <= sinceMs).length
    state = `${held.length === 0 ? 'nobody holds it now' : `held by ${describeHolders(held)}`}; ${ahead} waiting ahead`
  } catch (error) {
    // Not a timeout: that would look as if somebody held the lock.
    if (isSlocketError(error, 'ERR_SLOCKET_UNREACHABLE')) return error
    state = `who holds it could not be found out: ${String(error)}`
  }
  if (inUse !== undefined) state += `; ${inUse}`
  return new SlocketError('ERR_SLOCKET_TIMEOUT', `the lock '${path}' was not free within ${timeoutMs} ms: ${state}`)
}

/** A server that does not answer must not hold up what is over. */
const LOOK_MS = 1000

async function withinLookMs<T>(look: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController()
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      // The engine may say why.
      controller.abort()
      setImmediate(() => reject(new Error(`no answer within ${LOOK_MS} ms`)))
    }, LOOK_MS)
  })
  try {
    return await Promise.race([look(controller.signal), late])
  } finally {
    clearTimeout(timer)
    controller.abort()
  }
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
  return ` for ${Math.max(0, (Date.now() - sinceMs) / 1000).toFixed(1)} s`
}
