/** Finds out who holds and who waits, as etcd shows it. */
import type { EngineSnapshot } from '../../requests/engine.ts'
import { onAbort } from '../../requests/on-abort.ts'
import { splitByTurn } from '../../core/standing.ts'
import type { EtcdClient } from './client.ts'
import { keepAlive } from '../keep-alive.ts'
import { decodeResource, endOf, inOrder, parseTicket, queuesPrefix } from './keys.ts'
import type { ListedTicket } from './keys.ts'
import type { KeyValue, RangeResponse } from './protocol.ts'
import { isCompacted } from './refusal.ts'
import type { OwnTicket } from './ticket.ts'
import type { Identity, TicketValue } from '../ticket-value.ts'
import { parseValue, toRequester } from '../ticket-value.ts'

const PAGE = 1000
/** How many times reading the pages may begin again. */
const MOST_ROUNDS = 3

/** The client that looks. */
export interface Onlooker {
  readonly client: EtcdClient
  readonly identity: Identity
  readonly own: ReadonlySet<OwnTicket>
}

export async function query(onlooker: Onlooker, prefix: string, signal?: AbortSignal): Promise<EngineSnapshot> {
  const leaving = new Set(leavingOf(onlooker))
  const { kvs = [] } = await look(onlooker.client, prefix, signal)
  for (const key of leavingOf(onlooker)) leaving.add(key)
  return snapshotOf(prefix, kvs, onlooker, leaving)
}

/**
 * Settles as soon as `signal` aborts. From then on it no longer keeps the process alive, and the call that is under way is the last.
 *
 * @throws `signal.reason`; ERR_SLOCKET_UNREACHABLE if it is known by then that no server answers.
 */
async function look(client: EtcdClient, prefix: string, signal: AbortSignal | undefined): Promise<RangeResponse> {
  const stopKeepAlive = keepAlive()
  let stopListening: (() => void) | undefined
  try {
    return await new Promise<RangeResponse>((resolve, reject) => {
      const abort = (): void => reject(client.outage() ?? signal!.reason)
      stopListening = signal && onAbort(signal, abort)
      const isOver = (): boolean => signal?.aborted === true
      client
        .ask('Range', { key: prefix, rangeEnd: endOf(prefix) }, { isOver, isBackground: true })
        .then((answer) => (answer === undefined ? abort() : resolve(answer)), reject)
    })
  } finally {
    stopListening?.()
    stopKeepAlive()
  }
}

/** Returns the keys of tickets that this client has released or cancelled. They are no longer shown, even if the server does not know yet. */
function leavingOf({ own }: Onlooker): string[] {
  return [...own].filter((ticket) => ticket.isLeaving).flatMap(({ keys }) => keys)
}

export async function queryAll(onlooker: Onlooker, namespace: string): Promise<ReadonlyMap<string, EngineSnapshot>> {
  const leaving = new Set(leavingOf(onlooker))
  const prefix = queuesPrefix(namespace)
  const byQueue = new Map<string, KeyValue[]>()
  for (const keyValue of await keysBelow(onlooker.client, prefix)) {
    const name = keyValue.key
    const queue = name.slice(0, name.indexOf('/', prefix.length) + 1)
    const known = byQueue.get(queue)
    if (known === undefined) byQueue.set(queue, [keyValue])
    else known.push(keyValue)
  }
  for (const name of leavingOf(onlooker)) leaving.add(name)
  const snapshots = [...byQueue].map(([queue, kvs]) => {
    const resource = decodeResource(queue.slice(prefix.length, -1))
    return [resource, snapshotOf(queue, kvs, onlooker, leaving)] as const
  })
  return new Map(snapshots)
}

/** Reads all keys of one revision, in pages. If its history is compacted meanwhile, begins again; if that happens again and again, reads all in one request. */
async function keysBelow(client: EtcdClient, prefix: string): Promise<readonly KeyValue[]> {
  for (let round = 0; round < MOST_ROUNDS; round += 1) {
    try {
      return await pagesBelow(client, prefix)
    } catch (error) {
      if (!isCompacted(error)) throw error
    }
  }
  // One request has no revision that could be compacted before the next one.
  return (await client.ask('Range', { key: prefix, rangeEnd: endOf(prefix) }))?.kvs ?? []
}

async function pagesBelow(client: EtcdClient, prefix: string): Promise<readonly KeyValue[]> {
  const keyValues: KeyValue[] = []
  let key = prefix
  let revision: string | undefined
  // Bound: the keys of one revision, a page in each round.
  for (;;) {
    const page = { key, rangeEnd: endOf(prefix), limit: PAGE, ...(revision === undefined ? {} : { revision }) }
    const { header, kvs = [], more = false } = (await client.ask('Range', page))!
    revision ??= header.revision
    for (const keyValue of kvs) keyValues.push(keyValue)
    const last = kvs.at(-1)
    if (!more || last === undefined) return keyValues
    // The next possible key.
    key = `${last.key}\0`
  }
}

function snapshotOf(
  prefix: string,
  keyValues: readonly KeyValue[],
  { identity }: Onlooker,
  leaving: ReadonlySet<string>,
): EngineSnapshot {
  const values = new Map<string, TicketValue>()
  const tickets: ListedTicket[] = []
  for (const keyValue of keyValues) {
    const ticket = parseTicket(prefix, keyValue)
    if (ticket === undefined || leaving.has(ticket.key)) continue
    tickets.push(ticket)
    values.set(ticket.id, parseValue(keyValue.value))
  }
  const { held, pending } = splitByTurn(inOrder(tickets))
  const requester = ({ id, claim }: ListedTicket): ReturnType<typeof toRequester> =>
    toRequester(claim, values.get(id)!, identity.client)
  // A try that does not hold only looks: it does not wait.
  return { held: held.map(requester), pending: pending.filter(({ id }) => values.get(id)!.wait).map(requester) }
}
