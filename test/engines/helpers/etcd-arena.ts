/** What the tests of etcd's faults have in common. */
import type { TestContext } from 'node:test'
import { EtcdClient } from '../../../src/engines/etcd/client.ts'
import type { Arena } from './arena.ts'
import type { Client, EngineSpec } from './client.ts'
import { keysOf, untilSlowly } from './etcd-cluster.ts'
import type { Line } from './trace.ts'

/** The least that there is: for tests that wait for it to be over. */
export const TTL_MS = 5000
/** The default: for tests in which it must not come to its end, on a machine that may be busy. */
export const LONG_TTL_MS = 10_000

export function etcdEngine(endpoints: string | readonly string[]): EngineSpec {
  return { kind: 'etcd', options: { endpoints: listed(endpoints), ttl: TTL_MS } }
}

export function patientEtcdEngine(endpoints: string | readonly string[]): EngineSpec {
  return { kind: 'etcd', options: { endpoints: listed(endpoints), ttl: LONG_TTL_MS } }
}

function listed(endpoints: string | readonly string[]): readonly string[] {
  return typeof endpoints === 'string' ? endpoints.split(',') : endpoints
}

/** Clients that take one lock again and again, while whatever else happens. */
export function startLoops(arena: Arena, engine: EngineSpec, count: number): Client[] {
  return Array.from({ length: count }, (_, index) => {
    const client = arena.start(`loop-${index}`, engine)
    client.send({ do: 'loop', resource: 'busy', holdMs: 20 })
    return client
  })
}

/** They have gone on, each of them, and come to their end. */
export async function endLoops(loops: readonly Client[]): Promise<void> {
  await Promise.all(loops.map(async (client) => await client.saysAgain('granted', client.said('granted').length)))
  await Promise.all(loops.map(async (client) => await client.endLoop()))
}

/** The first holds, the others wait in this order. The handle of each is named as its client. Nobody else may use the server. */
export async function queueUp(endpoints: string, clients: readonly Client[]): Promise<void> {
  for (const [index, client] of clients.entries()) {
    client.send({ do: 'acquire', as: client.name, resource: 'queue' })
    if (index === 0) await client.says('granted', client.name)
    await untilTickets(endpoints, 'queue', index + 1)
  }
}

export async function untilTickets(endpoints: string, resource: string, count: number): Promise<void> {
  await untilSlowly(`${count} tickets for ${resource}`, async () => {
    const tickets = await ticketsOf(endpoints, resource).catch(() => [])
    return tickets.length === count
  })
}

/** The lease, in hex, of the last ticket that came. */
export async function lastLease(endpoints: string, resource: string): Promise<string> {
  const key = (await ticketsOf(endpoints, resource)).at(-1)!
  const base36 = /-([0-9a-z]+)-\d+$/.exec(key)![1]!
  return [...base36].reduce((sum, digit) => sum * 36n + BigInt(Number.parseInt(digit, 36)), 0n).toString(16)
}

/** Their keys, in their order. */
async function ticketsOf(endpoints: string, resource: string): Promise<string[]> {
  const part = `/q/${Buffer.from(resource).toString('base64url')}/`
  return (await keysOf(endpoints)).filter((key) => key.includes(part))
}

/** One after the other has it, and gives it back. */
export async function releaseInTurn(clients: readonly Client[]): Promise<void> {
  for (const client of clients) {
    await client.says('granted', client.name)
    client.send({ do: 'release', as: client.name })
    await client.says('released', client.name)
  }
}

/** When a client last believed that it held. */
export function lastBelief(trace: readonly Line[], who: string): Line | undefined {
  return trace.findLast((line) => line.who === who && line.event === 'believes')
}

/** Until the test is over, no session of this process renews its lease or checks its tickets: everything it notices comes from its watch. */
export function withoutRenewals(context: TestContext): void {
  context.mock.method(EtcdClient.prototype, 'callByStream', () => new Promise(() => undefined))
}
