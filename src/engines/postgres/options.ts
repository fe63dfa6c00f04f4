/** The options of `postgres()`, and their checks. */
import { checkKnownOptions } from '../../requests/known-options.ts'
import { checkClientOptions, CLIENT_OPTIONS, OPTION_HINTS } from './client-options.ts'
import { parseSequence } from './sequence-name.ts'

/**
 * Options of {@link postgres}: how to connect, and how the locks behave. Connect with a `connectionString`, or with `host`, `port`, `user`, `password` and
 * `database`. `pg` takes missing values from the environment (`PGHOST` and so on). An unknown option throws a TypeError.
 */
export interface PostgresOptions {
  /** `postgres://user:password@host:port/database`: the server itself, or, with `pooler`, the pooler. It can't be combined with `host`, `port`, `user`, `password` and `database`. */
  readonly connectionString?: string | undefined
  /** The server: a host name, or the directory of its Unix socket. */
  readonly host?: string | undefined
  /** The port of the server. Default: `5432`. */
  readonly port?: number | undefined
  /** The role to log in as. */
  readonly user?: string | undefined
  /** The password of the role, or a function that returns it. */
  readonly password?: string | (() => string | Promise<string>) | undefined
  /** The database. Different databases have different locks. */
  readonly database?: string | undefined
  /** Whether to use TLS: a boolean, or the options of `tls.connect`. Default: as `pg`. */
  readonly ssl?: unknown
  /** How TLS is negotiated. Default: `postgres`. */
  readonly sslnegotiation?: 'postgres' | 'direct' | undefined
  /** Whether SCRAM authentication is bound to the TLS connection, if the server supports that. Default: `false`. */
  readonly enableChannelBinding?: boolean | undefined
  /** The largest number of SCRAM iterations that the server may ask for. Default: as `pg`. */
  readonly scramMaxIterations?: number | undefined
  /** The name of the sessions in `pg_stat_activity`. Default: `slocket`. */
  readonly application_name?: string | undefined
  /** The name of the sessions if neither `application_name` nor `PGAPPNAME` is set. Default: none. */
  readonly fallback_application_name?: string | undefined
  /** Server settings for each session, as `-c name=value`. Default: none. */
  readonly options?: string | undefined
  /** The encoding of the connection. Default: `UTF8`. */
  readonly client_encoding?: string | undefined
  /** Limits how long connecting may take, in milliseconds. It is never longer than two and a half heartbeats, which is the default. */
  readonly connectionTimeoutMillis?: number | undefined
  /** Returns the socket for a new connection. Default: `pg` makes it. */
  readonly stream?: (() => unknown) | undefined
  /** Has no effect: the engine always uses TCP keep-alive. Accepted because settings for `pg` may contain it. */
  readonly keepAlive?: boolean | undefined
  /** Has no effect: the engine uses its `heartbeat`. Accepted because settings for `pg` may contain it. */
  readonly keepAliveInitialDelayMillis?: number | undefined
  /** Has no effect: the engine runs its own statements only. Accepted because settings for `pg` may contain it. */
  readonly types?: unknown
  /** Has no effect: the engine runs its own statements only. Accepted because settings for `pg` may contain it. */
  readonly binary?: boolean | undefined
  /** Has no effect: the engine runs its own statements only. Accepted because settings for `pg` may contain it. */
  readonly pipeline?: boolean | undefined
  /** Separates locks: different namespaces have different locks. No line breaks. Default: `slocket`. */
  readonly namespace?: string | undefined
  /** The sequence that `lock.token` comes from. The engine makes it if it is missing. Default: `public.slocket_token`. */
  readonly sequence?: string | undefined
  /**
   * The number of locks that this engine can hold and wait for at the same time, from 1 to 10,000: each uses a connection of its own, and one more connection
   * serves all of them. Further requests wait in this process, in their order. Default: `20`.
   */
  readonly maxConnections?: number | undefined
  /**
   * How often the engine asks the server whether the session of a lock still exists, in milliseconds, from 200 to 60,000. After two and a half heartbeats
   * without an answer, the lock is lost; after five, the server gives it to the next waiter. Default: `2000`.
   */
  readonly heartbeat?: number | undefined
  /**
   * `transaction`: connect through a pooler that gives a client a session of the server for each transaction, such as PgBouncer with
   * `pool_mode = transaction`. A lock is then a transaction that stays open until the release, and uses one of the pooler's connections to the server as long
   * as it is held or waited for. If the holder is stopped, or blocks its event loop, for longer than five heartbeats, the server gives the lock to the next
   * waiter. docs/engines/postgres.md says what the pooler needs. Default: none; a pooler is then rejected with ERR_SLOCKET_POOLER.
   */
  readonly pooler?: 'transaction' | undefined
}

export interface Settings {
  /** The options for `pg`. */
  readonly client: Readonly<Record<string, unknown>>
  readonly namespace: string
  /** Quoted for SQL. */
  readonly sequence: string
  readonly maxConnections: number
  readonly pooler: 'transaction' | undefined
  readonly heartbeatMs: number
  /** How long to wait for an answer. */
  readonly patienceMs: number
  /** After how long the server ends the session of a client that it can't reach. */
  readonly serverPatienceMs: number
}

export const DEFAULT_NAMESPACE: string = 'slocket'
const DEFAULT_SEQUENCE = 'public.slocket_token'
const DEFAULT_CONNECTIONS = 20
const MOST_CONNECTIONS = 10_000
const DEFAULT_HEARTBEAT_MS = 2000
const LEAST_HEARTBEAT_MS = 200
const MOST_HEARTBEAT_MS = 60_000
const PATIENCE = 2.5
const SERVER_PATIENCE = 5
const OWN_OPTIONS = ['namespace', 'sequence', 'maxConnections', 'heartbeat', 'pooler']
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
    pooler,
    ...client
  } = options as Record<string, unknown>
  if (pooler !== undefined && pooler !== 'transaction') {
    throw new TypeError("options.pooler must be 'transaction': a pooler in other modes can't be used")
  }
  checkClientOptions(client, OWN_OPTIONS)
  if (client['port'] !== undefined) parseNumber('port', client['port'], 1, 65_535)
  const heartbeatMs = parseNumber('heartbeat', heartbeat, LEAST_HEARTBEAT_MS, MOST_HEARTBEAT_MS)
  return {
    client,
    namespace: parseNamespace(namespace),
    sequence: parseSequence(sequence),
    maxConnections: parseNumber('maxConnections', maxConnections, 1, MOST_CONNECTIONS),
    pooler,
    heartbeatMs,
    patienceMs: heartbeatMs * PATIENCE,
    serverPatienceMs: heartbeatMs * SERVER_PATIENCE,
  }
}

/** @throws TypeError */
export function parseNamespace(value: unknown): string {
  if (typeof value === 'string' && !/[\n\0]/.test(value)) return value
  throw new TypeError('options.namespace must be a string without line breaks')
}

function parseNumber(name: string, value: unknown, least: number, most: number): number {
  if (typeof value !== 'number') throw new TypeError(`options.${name} must be a number`)
  if (!Number.isInteger(value) || value < least || value > most) {
    throw new RangeError(`options.${name} must be a whole number from ${least} to ${most}, not ${value}`)
  }
  return value
}
