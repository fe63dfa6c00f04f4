/** The clients that the engine is tested with, by the names of their packages. Each is loaded when it is opened: a process that loads all takes four times as long to start. */
import type { RedisClient } from '../../../src/engines/redis/index.ts'

export interface OpenClient {
  readonly client: RedisClient
  close(): void
}

/** Opens a client as a program would. */
export const CLIENTS: Readonly<Record<string, (url: string) => Promise<OpenClient>>> = {
  'redis 6': async (url) => await openNodeRedis((await import('redis')).createClient({ url })),
  'redis 5': async (url) => await openNodeRedis((await import('redis-5')).createClient({ url })),
  'redis 4': async (url) => await openNodeRedis((await import('redis-4')).createClient({ url })),
  'ioredis 6': async (url) => openIoRedis(new (await import('ioredis')).Redis(url)),
  'ioredis 5': async (url) => openIoRedis(new (await import('ioredis-5')).Redis(url)),
  iovalkey: async (url) => openIoRedis(new (await import('iovalkey')).Redis(url)),
  'iovalkey 0.3': async (url) => openIoRedis(new (await import('iovalkey-0.3')).Redis(url)),
}

/** The same behind sentinels, which watch a master as `locks`. @param urls of the sentinels, with commas between them. */
export const SENTINEL_CLIENTS: Readonly<Record<string, (urls: string) => Promise<OpenClient>>> = {
  'redis 6, sentinel': async (urls) => await openSentinel((await import('redis')).createSentinel, urls),
  'redis 5, sentinel': async (urls) => await openSentinel((await import('redis-5')).createSentinel, urls),
  'ioredis 6, sentinel': async (urls) =>
    openIoRedis(new (await import('ioredis')).Redis({ sentinels: nodesOf(urls), name: 'locks' })),
  'ioredis 5, sentinel': async (urls) =>
    openIoRedis(new (await import('ioredis-5')).Redis({ sentinels: nodesOf(urls), name: 'locks' })),
  'iovalkey, sentinel': async (urls) =>
    openIoRedis(new (await import('iovalkey')).Redis({ sentinels: nodesOf(urls), name: 'locks' })),
}

/** The same for a cluster. @param urls of its masters, with commas between them. */
export const CLUSTER_CLIENTS: Readonly<Record<string, (urls: string) => Promise<OpenClient>>> = {
  'redis 6': async (urls) =>
    await openNodeRedis((await import('redis')).createCluster({ rootNodes: rootNodesOf(urls) })),
  'redis 5': async (urls) =>
    await openNodeRedis((await import('redis-5')).createCluster({ rootNodes: rootNodesOf(urls) })),
  'redis 4': async (urls) =>
    await openNodeRedis((await import('redis-4')).createCluster({ rootNodes: rootNodesOf(urls) })),
  'ioredis 6': async (urls) => openIoRedis(new (await import('ioredis')).Cluster(nodesOf(urls))),
  'ioredis 5': async (urls) => openIoRedis(new (await import('ioredis-5')).Cluster(nodesOf(urls))),
  iovalkey: async (urls) => openIoRedis(new (await import('iovalkey')).Cluster(nodesOf(urls))),
}

function rootNodesOf(urls: string): { url: string }[] {
  return urls.split(',').map((url) => ({ url }))
}

function nodesOf(urls: string): { host: string; port: number }[] {
  return urls.split(',').map((url) => ({ host: new URL(url).hostname, port: Number(new URL(url).port) }))
}

async function openSentinel(
  create: (options: { name: string; sentinelRootNodes: { host: string; port: number }[] }) => AnyNodeRedis,
  urls: string,
): Promise<OpenClient> {
  return await openNodeRedis(create({ name: 'locks', sentinelRootNodes: nodesOf(urls) }))
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
