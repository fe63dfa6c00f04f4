/** The clients that the engine is tested with, by the names of their packages. */
import { Redis as IoRedis } from 'ioredis'
import { Redis as IoRedis5 } from 'ioredis-5'
import { Redis as IoValkey } from 'iovalkey'
import { createClient } from 'redis'
import { createClient as createClient4 } from 'redis-4'
import { createClient as createClient5 } from 'redis-5'
import type { RedisClient } from '../../../src/engines/redis/index.ts'

export interface OpenClient {
  readonly client: RedisClient
  close(): void
}

/** Opens a client as a program would. */
export const CLIENTS: Readonly<Record<string, (url: string) => Promise<OpenClient>>> = {
  'redis 6': async (url) => await openNodeRedis(createClient({ url })),
  'redis 5': async (url) => await openNodeRedis(createClient5({ url })),
  'redis 4': async (url) => await openNodeRedis(createClient4({ url })),
  'ioredis 6': async (url) => await Promise.resolve(openIoRedis(new IoRedis(url))),
  'ioredis 5': async (url) => await Promise.resolve(openIoRedis(new IoRedis5(url))),
  iovalkey: async (url) => await Promise.resolve(openIoRedis(new IoValkey(url))),
}

interface AnyNodeRedis extends RedisClient {
  on(event: 'error', listener: (error: Error) => void): unknown
  connect(): Promise<unknown>
  destroy?(): unknown
  disconnect?(): unknown
}

async function openNodeRedis(client: AnyNodeRedis): Promise<OpenClient> {
  client.on('error', () => {})
  await client.connect()
  return { client, close: () => void (client.destroy ?? client.disconnect)?.call(client) }
}

interface AnyIoRedis extends RedisClient {
  on(event: 'error', listener: (error: Error) => void): unknown
  disconnect(): void
}

function openIoRedis(client: AnyIoRedis): OpenClient {
  client.on('error', () => {})
  return { client, close: () => client.disconnect() }
}
