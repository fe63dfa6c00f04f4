/** Who holds and who waits, as the server shows it. */
import { onAbort } from '../../requests/on-abort.ts'
import type { EngineSnapshot, Requester } from '../../requests/engine.ts'
import { keepAlive } from '../keep-alive.ts'
import { parseValue, toRequester } from '../ticket-value.ts'
import { channelPrefix, nameOf, parseClaim, queuesPattern } from './names.ts'
import type { QueueParts } from './queue.ts'
import { LOOK } from './scripts.ts'

type Onlooker = Pick<QueueParts, 'settings' | 'connection' | 'identity' | 'own'>

/**
 * Settles as soon as `signal` aborts. From then on it doesn't keep the process alive, and makes no further call.
 *
 * @throws `signal.reason`; as `Connection.ask`.
 */
export async function query(onlooker: Onlooker, name: string, signal?: AbortSignal): Promise<EngineSnapshot> {
  const stopKeepAlive = keepAlive()
  let stopListening: (() => void) | undefined
  try {
    return await new Promise<EngineSnapshot>((resolve, reject) => {
      stopListening = signal && onAbort(signal, () => reject(signal.reason as Error))
      look(onlooker, name, () => signal?.aborted === true).then(resolve, reject)
    })
  } finally {
    stopListening?.()
    stopKeepAlive()
  }
}

/** Each queue is shown as of one moment, but not all queues as of the same moment. */
export async function queryAll(onlooker: Onlooker): Promise<ReadonlyMap<string, EngineSnapshot>> {
  const { connection, settings } = onlooker
  const snapshots = new Map<string, EngineSnapshot>()
  for (const key of await connection.keys(queuesPattern(settings.namespace))) {
    const name = nameOf(settings.namespace, key)
    if (name === undefined) continue
    const snapshot = await query(onlooker, name)
    if (snapshot.held.length + snapshot.pending.length > 0) snapshots.set(name, snapshot)
  }
  return snapshots
}

async function look(onlooker: Onlooker, name: string, isOver: () => boolean): Promise<EngineSnapshot> {
  const { connection, settings, identity } = onlooker
  // Locks that this client has released, and requests that it has cancelled, aren't shown, though the server may not know yet.
  const leaving = leavingOf(onlooker)
  const asking = { isOver, isBackground: true }
  const reply = (await connection.ask(LOOK, name, [channelPrefix(settings.namespace)], asking)) ?? []
  for (const id of leavingOf(onlooker)) leaving.add(id)
  const held: Requester[] = []
  const pending: Requester[] = []
  for (let index = 0; index + 2 < reply.length; index += 3) {
    const [id = '', ticket = '', facts = ''] = reply.slice(index, index + 3)
    if (leaving.has(id)) continue
    const space = ticket.indexOf(' ')
    const value = parseValue(ticket.slice(space + 1))
    const [, , heldSinceMs] = facts.split(' ')
    const sinceMs = heldSinceMs === undefined ? value.sinceMs : Number(heldSinceMs)
    const requester = toRequester(parseClaim(ticket.slice(0, space)), { ...value, sinceMs }, identity.client)
    if (facts === '') pending.push(requester)
    else held.push(requester)
  }
  return { held, pending }
}

function leavingOf({ own }: Onlooker): Set<string> {
  const leaving = new Set<string>()
  for (const [id, { ticket }] of own) {
    if (ticket.state === 'gone' || ticket.request.cancellation.cancelled) leaving.add(id)
  }
  return leaving
}
