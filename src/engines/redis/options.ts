/** The options of `redis()`, and how they are checked. */
import { checkKnownOptions } from '../../requests/known-options.ts'
import type { OptionHints } from '../../requests/known-options.ts'
import type { RedisClient } from './client.ts'
import { isSupported } from './client.ts'

/** Options of {@link redis}: either `client` or `url`, and settings of the locks. An unknown option is a TypeError. */
export interface RedisOptions {
  /**
   * Your connected client, for all commands: of `redis` (4, 5 or 6: createClient, createCluster or createSentinel), `ioredis` (5 or 6: Redis or Cluster)
   * or `iovalkey`. It is never closed. For notifications the engine opens one more connection with the same settings.
   */
  readonly client?: RedisClient | undefined
  /**
   * `redis://user:password@host:port/database`, or `rediss://` for TLS: the engine makes two connections of its own, by `redis`, `ioredis` or `iovalkey`, whichever is
   * installed.
   */
  readonly url?: string | undefined
  /** Separates locks: different namespaces have different locks. All keys and channels begin with it. No braces or control characters. Default: `slocket`. */
  readonly namespace?: string | undefined
  /** How long the server keeps the locks of a client that no longer renews them, in milliseconds, from 2000 to 86,400,000. Default: `10_000`. */
  readonly ttl?: number | undefined
  /**
   * How many replicas must have a grant before the lock counts as acquired, from 0 to 100. With fewer, acquiring fails with ERR_SLOCKET_RESOURCES. It makes a failover that
   * forgets a lock less likely, but not impossible. Default: `0`.
   */
  readonly replicas?: number | undefined
}

export interface Settings {
  readonly client: RedisClient | undefined
  readonly url: string | undefined
  readonly namespace: string
  readonly ttlMs: number
  readonly replicas: number
}

const KNOWN: ReadonlySet<string> = new Set(['client', 'url', 'namespace', 'ttl', 'replicas'])
const BY_CLIENT = 'pass a client that was made with it, as { client }, or { url }'
const HINTS: OptionHints = {
  redis: "did you mean 'client'?",
  clients: 'an engine has one client, of one server or cluster',
  connection: "did you mean 'client'?",
  host: BY_CLIENT,
  port: BY_CLIENT,
  password: BY_CLIENT,
  tls: BY_CLIENT,
  prefix: "did you mean 'namespace'?",
  keyPrefix: "did you mean 'namespace'?",
  duration: "did you mean 'ttl'?",
  retryCount: 'requests wait in a queue on the server: how long is the option timeout of each lock',
}
const LEAST_TTL_MS = 2000
const MOST_TTL_MS = 86_400_000
const MOST_REPLICAS = 100

/** @throws TypeError, RangeError; no message contains the URL. */
export function parseRedisOptions(options: unknown): Settings {
  if (typeof options !== 'object' || options === null || Array.isArray(options) || isSupported(options)) {
    throw new TypeError('the options of redis() must be an object, such as { client } or { url }')
  }
  checkKnownOptions(options, KNOWN, 'redis()', HINTS)
  const { client, url, namespace = 'slocket', ttl = 10_000, replicas = 0 } = options as Record<string, unknown>
  if ((client === undefined) === (url === undefined)) {
    throw new TypeError('the options of redis() need either client or url')
  }
  if (client !== undefined) checkClient(client)
  if (url !== undefined && (typeof url !== 'string' || !/^rediss?:\/\//.test(url) || !URL.canParse(url))) {
    throw new TypeError('options.url must be a URL that begins with redis:// or rediss://')
  }
  if (typeof namespace !== 'string' || namespace === '' || /[{}\p{C}]/u.test(namespace)) {
    throw new TypeError('options.namespace must be a string without braces and control characters, and not empty')
  }
  return {
    client: client as RedisClient | undefined,
    url,
    namespace,
    ttlMs: parseNumber('ttl', ttl, LEAST_TTL_MS, MOST_TTL_MS),
    replicas: parseNumber('replicas', replicas, 0, MOST_REPLICAS),
  }
}

function checkClient(client: unknown): void {
  if (!isSupported(client)) {
    throw new TypeError(
      'options.client must be a client of redis (createClient, createCluster or createSentinel; not a pool), ioredis or iovalkey',
    )
  }
  const { keyPrefix = '', legacyMode } =
    (client as { options?: { keyPrefix?: string; legacyMode?: unknown } }).options ?? {}
  if (legacyMode === true) {
    throw new TypeError(
      'options.client must not be in the legacyMode of redis 4, which has callbacks: pass client.duplicate({ legacyMode: false })',
    )
  }
  if (keyPrefix !== '') {
    throw new TypeError(
      'options.client must have no keyPrefix, which does not apply to channels: use options.namespace',
    )
  }
}

function parseNumber(name: string, value: unknown, least: number, most: number): number {
  if (typeof value !== 'number') throw new TypeError(`options.${name} must be a number`)
  if (!Number.isInteger(value) || value < least || value > most) {
    throw new RangeError(`options.${name} must be a whole number from ${least} to ${most}, not ${value}`)
  }
  return value
}
