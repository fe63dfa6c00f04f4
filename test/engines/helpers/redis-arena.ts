/** What the tests of faults of Redis have in common. */
import { Redis } from 'ioredis'
import { until } from '../../helpers/until.ts'
import type { Client, EngineSpec } from './client.ts'

/** For tests that wait for it to be over. */
export const TTL_MS = 3000
/** For tests in which no lease may run out, however busy the machine is. */
export const LONG_TTL_MS = 15_000

/** @param by the client of the program. Default: a URL. */
export function redisEngine(url: string, by?: string, ttl: number = TTL_MS): EngineSpec {
  return { kind: 'redis', options: { url, ttl, ...(by === undefined ? {} : { by }) } }
}

/** Asks a server, past the engine. */
export class Admin implements AsyncDisposable {
  readonly #redis: Redis

  constructor(url: string) {
    this.#redis = new Redis(url, { maxRetriesPerRequest: null })
    this.#redis.on('error', () => {})
  }

  async ask(command: string, ...parameters: readonly string[]): Promise<unknown> {
    return await this.#redis.call(command, ...parameters)
  }

  /** Waits until so many hold and wait. */
  async untilTickets(name: string, count: number): Promise<void> {
    await until(`${count} tickets for ${name}`, async () => {
      return (await this.ask('ZCARD', `slocket:{${name}}:queue`)) === count
    })
  }

  /** Waits until each client has renewed its lease. */
  async untilRenewed(name: string): Promise<void> {
    const key = `slocket:{${name}}:leases`
    const endOf = async (client: string): Promise<number> => Number(await this.ask('ZSCORE', key, client))
    for (const client of (await this.ask('ZRANGE', key, '0', '-1')) as string[]) {
      const end = await endOf(client)
      await until(`${client} has renewed its lease`, async () => (await endOf(client)) > end)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#redis.disconnect()
    await Promise.resolve()
  }
}

/** The first holds, the others wait in this order. The handle of each is named as its client. */
export async function queueUp(admin: Admin, clients: readonly Client[]): Promise<void> {
  for (const [index, client] of clients.entries()) {
    client.send({ do: 'acquire', as: client.name, resource: 'queue' })
    if (index === 0) await client.says('granted', client.name)
    await admin.untilTickets('queue', index + 1)
  }
}
