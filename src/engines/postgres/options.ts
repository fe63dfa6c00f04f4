/** What `postgres()` can be told, and how that is checked. */
import { checkKnownOptions } from '../../contract/known-options.ts'
import { checkClientOptions, CLIENT_OPTIONS, OPTION_HINTS } from './client-options.ts'
import { parseSequence } from './sequence-name.ts'

/**
 * How to connect: a `connectionString`, or `host`, `port`, `user`, `password` and `database`; and what else `pg` takes for a client. What is left
 * out, `pg` takes from the environment (`PGHOST` and so on). An option that is not listed here is a TypeError.
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
  /** As `pg` takes it: a boolean, or options of `tls.connect`. */
  readonly ssl?: unknown
  /** How TLS begins. Default: `postgres`. */
  readonly sslnegotiation?: 'postgres' | 'direct' | undefined
  /** Whether SCRAM is bound to the TLS connection if the server offers that. Default: false. */
  readonly enableChannelBinding?: boolean | undefined
  /** How many iterations of SCRAM a server may ask for. */
  readonly scramMaxIterations?: number | undefined
  /** How sessions are called in `pg_stat_activity`. Default: `slocket`. */
  readonly application_name?: string | undefined
  /** The same, if neither `application_name` nor `PGAPPNAME` is set. */
  readonly fallback_application_name?: string | undefined
  /** Settings for the server at the start of a session, as `-c name=value`. */
  readonly options?: string | undefined
  /** The encoding of the connection. Default: UTF8. */
  readonly client_encoding?: string | undefined
  /** How long connecting may take at most, in ms; never longer than two and a half heartbeats. */
  readonly connectionTimeoutMillis?: number | undefined
  /** Makes the socket of a connection. */
  readonly stream?: (() => unknown) | undefined
  /** No effect: the engine sets it for its connections. */
  readonly keepAlive?: boolean | undefined
  /** No effect: the engine sets it for its connections. */
  readonly keepAliveInitialDelayMillis?: number | undefined
  /** No effect: the engine has statements of its own only. */
  readonly types?: unknown
  /** No effect: the engine has statements of its own only. */
  readonly binary?: boolean | undefined
  /** No effect: the engine has statements of its own only. */
  readonly pipeline?: boolean | undefined
  /** Locks of two namespaces have nothing to do with each other. No line breaks. Default: `slocket`. */
  readonly namespace?: string | undefined
  /** The sequence that tokens come from; it is made where it is missing. Default: `public.slocket_token`. */
  readonly sequence?: string | undefined
  /**
   * How many locks this engine can hold and wait for at a time, 1 to 10,000: each has a connection of its own. Further requests wait in this
   * process, in order. One more connection serves all of them. Default: 20.
   */
  readonly maxConnections?: number | undefined
  /**
   * How often the server is asked whether it still knows the session of a lock, in ms, 200 to 60,000. Without an answer for two and a half times
   * as long, the lock is lost; after five times as long, the server gives it to the next one. Default: 2000.
   */
  readonly heartbeat?: number | undefined
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
const OWN_OPTIONS = ['namespace', 'sequence', 'maxConnections', 'heartbeat']
const KNOWN_OPTIONS: ReadonlySet<string> = new Set([...OWN_OPTIONS, ...CLIENT_OPTIONS])

/** @throws TypeError, RangeError */
export function parsePostgresOptions(options: unknown): Settings {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw new TypeError('the options of postgres() must be an object, such as { connectionString }')
  }
  checkKnownOptions(options, KNOWN_OPTIONS, 'postgres()', OPTION_HINTS)
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
  checkClientOptions(client, OWN_OPTIONS)
  if (client['port'] !== undefined) parseNumber('port', client['port'], 1, 65_535)
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

function parseNumber(name: string, value: unknown, least: number, most: number): number {
  if (typeof value !== 'number') throw new TypeError(`options.${name} must be a number`)
  if (!Number.isInteger(value) || value < least || value > most) {
    throw new RangeError(`options.${name} must be a whole number from ${least} to ${most}, not ${value}`)
  }
  return value
}
