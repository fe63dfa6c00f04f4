/** What an acquire rejects with whose time is over. */
import type { Engine, Requester } from './contract/engine.ts'
import { printable, SlocketError } from './errors.ts'

/** Says who holds it, since when, and how many wait ahead. */
export async function timeoutError(
  engine: Engine,
  path: string,
  timeoutMs: number,
  sinceMs: number,
): Promise<SlocketError> {
  let state: string
  try {
    const { held, pending, obstacle } = await withinLookMs((signal) => engine.query(path, signal))
    const ahead = pending.filter((request) => request.sinceMs <= sinceMs).length
    const holders = held.length === 0 ? 'nobody holds it now' : `held by ${describeHolders(held)}`
    state = held.length === 0 && obstacle !== undefined ? obstacle.message : `${holders}; ${ahead} waiting ahead`
  } catch (error) {
    state = `who holds it could not be found out: ${String(error)}`
  }
  return new SlocketError('ERR_SLOCKET_TIMEOUT', `the lock '${path}' was not free within ${timeoutMs} ms: ${state}`)
}

/** A server that does not answer must not hold up what is over. */
const LOOK_MS = 1000

async function withinLookMs<T>(look: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController()
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${LOOK_MS} ms`)), LOOK_MS)
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
    const seconds = Math.max(0, (Date.now() - sinceMs) / 1000)
    return `pid ${pid}${known === '' ? '' : ` (${known})`} for ${seconds.toFixed(1)} s`
  })
  if (held.length > MOST_HOLDERS) described.push(`${held.length - MOST_HOLDERS} more`)
  return described.join(', ')
}
