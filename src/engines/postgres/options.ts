/** What `postgres()` can be told, and how that is checked. */
import { parseSequence } from './sequence-name.ts'

/**
 * How to connect: a `connectionString`, or what `pg` takes for a client (`host`, `port`, `user`, `password`, `database`, `ssl`, …). What is left out, `pg`
 * has from the environment (`PGHOST` and so on).
 */
export interface PostgresOptions {
  /** `postgres://user:password@host:port/database`. To the server itself, not to a pooler. */
  readonly connectionString?: string | undefined
  /** Where the server is: a host name, or the directory of its Unix socket. */
  readonly host?: string | undefined
  /** The server's port. Default: 5432. */
  readonly port?: number | undefined
  /** The role. */
  readonly user?: string | undefined
  /** Its password, or a function that gives it. */
  readonly password?: string | (() => string | Promise<string>) | undefined
  /** The database. Locks of two databases have nothing to do with each other. */
  readonly database?: string | undefined
  /** As `pg` takes it. */
  readonly ssl?: unknown
  /** Locks of two namespaces have nothing to do with each other. No line breaks. Default: `slocket`. */
  readonly namespace?: string | undefined
  /** The sequence that tokens come from; it is made where it is missing. Default: `public.slocket_token`. */
  readonly sequence?: string | undefined
  /**
   * How many locks this engine can hold and wait for at a time, 1 to 10,000: each has a connection of its own. Who comes then waits in this
   * process, in order. One more connection serves all of them. Default: 20.
   */
  readonly maxConnections?: number | undefined
  /**
   * How often the server is asked whether it still knows the session of a lock, in ms, 200 to 60,000. Without an answer for two and a half times
   * as long, the lock is lost; after five times as long, the server gives it to the next one. Default: 2000.
   */
  readonly heartbeat?: number | undefined
  /** What else `pg` takes for a client. */
  readonly [setting: string]: unknown
}

export interface Settings {
  /** For `pg`. */
  readonly client: Readonly<Record<string, unknown>>
  readonly namespace: string
  /** Quoted, for the server. */
  readonly sequence: string
  readonly maxConnections: number
  readonly heartbeatMs: number
  /** How long an answer may be missing. */
  readonly patienceMs: number
  /** After how long the server is to give up a client that it does not reach. */
  readonly serverPatienceMs: number
}

const DEFAULT_NAMESPACE = 'slocket'
const DEFAULT_SEQUENCE = 'public.slocket_token'
const DEFAULT_CONNECTIONS = 20
const MOST_CONNECTIONS = 10_000
const DEFAULT_HEARTBEAT_MS = 2000
const LEAST_HEARTBEAT_MS = 200
const MOST_HEARTBEAT_MS = 60_000
const PATIENCE = 2.5
const SERVER_PATIENCE = 5
/** What is kept of them for the engine's own use. */
const OUR_CLIENT_SETTINGS = [
  'statement_timeout',
  'lock_timeout',
  'query_timeout',
  'idle_in_transaction_session_timeout',
]

/** @throws TypeError, RangeError */
export function parsePostgresOptions(options: unknown): Settings {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw new TypeError('the options of postgres() must be an object')
  }
  const {
    namespace = DEFAULT_NAMESPACE,
    sequence = DEFAULT_SEQUENCE,
    maxConnections = DEFAULT_CONNECTIONS,
    heartbeat = DEFAULT_HEARTBEAT_MS,
    ...client
  } = options as Record<string, unknown>
  if (typeof namespace !== 'string' || /[\n\0]/.test(namespace)) {
    throw new TypeError('options.namespace must be a string without line breaks')
  }
  checkClientSettings(client)
  const heartbeatMs = parseNumber('heartbeat', heartbeat, LEAST_HEARTBEAT_MS, MOST_HEARTBEAT_MS)
  return {
    client,
    namespace,
    sequence: parseSequence(sequence),
    maxConnections: parseNumber('maxConnections', maxConnections, 1, MOST_CONNECTIONS),
    heartbeatMs,
    patienceMs: heartbeatMs * PATIENCE,
    serverPatienceMs: heartbeatMs * SERVER_PATIENCE,
  }
}

function checkClientSettings(client: Record<string, unknown>): void {
  for (const name of ['connectionString', 'host', 'user', 'database']) {
    const value = client[name]
    if (value !== undefined && typeof value !== 'string') throw new TypeError(`options.${name} must be a string`)
  }
  const { connectionString } = client
  if (connectionString !== undefined && !/^postgres(ql)?:\/\//.test(connectionString as string)) {
    throw new TypeError('options.connectionString must begin with postgres://')
  }
  if (client['port'] !== undefined) parseNumber('port', client['port'], 1, 65_535)
  if (client['Client'] !== undefined || client['max'] !== undefined) {
    throw new TypeError('options are those of a client, not of a pool: the number of connections is maxConnections')
  }
  const parameters = new URLSearchParams((connectionString as string | undefined)?.replace(/^[^?]*/, ''))
  for (const name of OUR_CLIENT_SETTINGS) {
    if (client[name] !== undefined || parameters.has(name))
      throw new TypeError(`options.${name} cannot be set: it would end waits, or locks`)
  }
}

function parseNumber(name: string, value: unknown, least: number, most: number): number {
  if (typeof value !== 'number') throw new TypeError(`options.${name} must be a number`)
  if (!Number.isInteger(value) || value < least || value > most) {
    throw new RangeError(`options.${name} must be a whole number from ${least} to ${most}, not ${value}`)
  }
  return value
}
