/** Loads the client package when a URL is given and the first lock is requested. */
import { asMissingClient } from '../missing-client.ts'
import { isSlocketError } from '../../errors.ts'
import type { RedisClient } from './client.ts'

export type MakeClient = () => RedisClient

type Load = (name: (typeof PACKAGES)[number]) => Promise<unknown>

/** The first installed package is used. */
const PACKAGES = ['redis', 'ioredis', 'iovalkey'] as const

/** @throws ERR_SLOCKET_NO_CLIENT if none is installed. */
export async function loadClient(url: string): Promise<MakeClient> {
  return await loadBy(importPackage, url)
}

/** In the published package, these are calls of `require` in `try`, so bundlers go on if one of the packages is missing: scripts/build-dist.js. */
async function importPackage(name: (typeof PACKAGES)[number]): Promise<unknown> {
  try {
    if (name === 'redis') return await import('redis')
    return name === 'ioredis' ? await import('ioredis') : await import('iovalkey')
  } catch (error) {
    throw asMissing(error)
  }
}

function asMissing(error: unknown): unknown {
  return asMissingClient(error, "locks in Redis need a client: one of 'redis', 'ioredis' and 'iovalkey'", 'redis')
}

/** @param load for tests. */
export async function loadBy(load: Load, url: string): Promise<MakeClient> {
  let missing: unknown
  for (const name of PACKAGES) {
    try {
      return makerOf(name, await load(name), url)
    } catch (error) {
      const failure = asMissing(error)
      if (!isSlocketError(failure, 'ERR_SLOCKET_NO_CLIENT')) throw failure
      missing ??= failure
    }
  }
  throw missing
}

/** The client must not queue commands: a command that can't be sent now fails, and the engine repeats it itself. */
function makerOf(name: (typeof PACKAGES)[number], loaded: unknown, url: string): MakeClient {
  const module = loaded as { default?: unknown }
  // `default` is what a module in CommonJS exports, if it was imported.
  const { createClient, Redis } = { ...(module.default as object), ...module } as Exports
  // Not by what the module exports: ioredis has a `createClient`, too, of another kind.
  if (name === 'redis') return () => createClient({ url, disableOfflineQueue: true })
  return () =>
    new Redis(url, {
      lazyConnect: true,
      enableOfflineQueue: false,
      autoResendUnfulfilledCommands: false,
      maxRetriesPerRequest: null,
    })
}

interface Exports {
  readonly createClient: (options: object) => RedisClient
  readonly Redis: new (url: string, options: object) => RedisClient
}
