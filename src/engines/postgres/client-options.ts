/**
 * Checks the options of `postgres()` that are passed on to `pg`. `pg` ignores unknown options and uses the environment instead, so a misspelled option could
 * mean a lock in another database.
 *
 * These are the names that `Client`, `Connection` and `ConnectionParameters` of pg 8.11 to 8.23 read, except `connection` and `Promise` (one object would serve all
 * clients) and `replication` (such a connection can't take locks).
 */
import type { OptionHints } from '../../requests/known-options.ts'

export const CLIENT_OPTIONS: readonly string[] = [
  'connectionString',
  'host',
  'port',
  'user',
  'password',
  'database',
  'ssl',
  'sslnegotiation',
  'enableChannelBinding',
  'scramMaxIterations',
  'application_name',
  'fallback_application_name',
  'options',
  'client_encoding',
  'connectionTimeoutMillis',
  'keepAlive',
  'keepAliveInitialDelayMillis',
  'stream',
  'types',
  'binary',
  'pipeline',
  'statement_timeout',
  'lock_timeout',
  'query_timeout',
  'idle_in_transaction_session_timeout',
]

const OWN_CONNECTIONS =
  'postgres() opens its own connections, since a lock belongs to a connection: pass the options that the pool or client was made with, such as { connectionString }'
const NUMBER_OF_CONNECTIONS = "the number of connections is the option 'maxConnections'"

export const OPTION_HINTS: OptionHints = {
  pool: OWN_CONNECTIONS,
  client: OWN_CONNECTIONS,
  connection: OWN_CONNECTIONS,
  Client: OWN_CONNECTIONS,
  // A pool or client was passed instead of options.
  _events: OWN_CONNECTIONS,
  url: "the URL is the option 'connectionString'",
  uri: "the URL is the option 'connectionString'",
  dsn: "the URL is the option 'connectionString'",
  connection_string: "the URL is the option 'connectionString'",
  databaseUrl: "the URL is the option 'connectionString'",
  username: "did you mean 'user'?",
  hostname: "did you mean 'host'?",
  db: "did you mean 'database'?",
  dbname: "did you mean 'database'?",
  max: NUMBER_OF_CONNECTIONS,
  min: NUMBER_OF_CONNECTIONS,
  poolSize: NUMBER_OF_CONNECTIONS,
  idleTimeoutMillis: "each lock's option 'linger' says how long its connection is kept",
  schema: "locks need no table; the schema of the sequence is part of the option 'sequence'",
}

/** Options that have their own place in a connection string. `pg` reads them from there, even if they are empty. */
const IN_CONNECTION_STRING = ['host', 'port', 'user', 'password', 'database']

/** Parameters of a connection string that choose a server or a database for other programs (libpq), and that `pg` ignores. */
const IGNORED_BY_PG: ReadonlySet<string> = new Set(['dbname', 'database', 'hostaddr', 'service', 'load_balance_hosts'])

/** Several hosts, separated by commas, after `user:password@`: libpq tries one after the other. */
const SEVERAL_HOSTS = /^[a-z]+:\/\/(?:[^/?#]*@)?[^/?#@]*,[^/?#@]*(?:[/?#]|$)/
/** The values of `target_session_attrs` that change nothing, since the engine refuses a standby anyway. */
const PRIMARY_ATTRIBUTES: ReadonlySet<string> = new Set(['any', 'read-write', 'primary'])

/** Options that would end waits or locks of the engine. */
const RESERVED = ['statement_timeout', 'lock_timeout', 'query_timeout', 'idle_in_transaction_session_timeout']

/**
 * @param client the options for `pg`.
 * @param own the names of the engine's own options.
 * @throws TypeError. No message contains the connection string.
 */
export function checkClientOptions(client: Readonly<Record<string, unknown>>, own: readonly string[]): void {
  for (const name of ['connectionString', 'host', 'user', 'database']) {
    const value = client[name]
    if (value !== undefined && typeof value !== 'string') throw new TypeError(`options.${name} must be a string`)
  }
  const { connectionString, stream, host } = client
  if (typeof host === 'string' && host.includes(',')) throw severalServersError('options.host')
  if (stream !== undefined && typeof stream !== 'function') {
    throw new TypeError('options.stream must be a function that makes a stream: each connection needs its own')
  }
  if (connectionString !== undefined) checkConnectionString(connectionString as string, client, own)
  for (const name of RESERVED) if (client[name] !== undefined) throw reservedError(name)
}

function checkConnectionString(text: string, client: Readonly<Record<string, unknown>>, own: readonly string[]): void {
  if (!/^postgres(ql)?:\/\//.test(text)) throw new TypeError('options.connectionString must begin with postgres://')
  if (SEVERAL_HOSTS.test(text)) throw severalServersError('options.connectionString')
  for (const name of IN_CONNECTION_STRING) {
    if (client[name] !== undefined) {
      throw new TypeError(
        `options.${name} can't be combined with options.connectionString: make it part of the connection string`,
      )
    }
  }
  const ownByLowerCase = new Map(own.map((name) => [name.toLowerCase(), name]))
  for (const [parameter, value] of new URLSearchParams(text.replace(/^[^?]*/, ''))) {
    if (parameter === 'host' && value.includes(',')) throw severalServersError('options.connectionString')
    if (parameter === 'target_session_attrs' && !PRIMARY_ATTRIBUTES.has(value)) throw standbyError()
    const ownName = ownByLowerCase.get(parameter.toLowerCase())
    if (ownName !== undefined) {
      throw new TypeError(`'${ownName}' is an option of postgres(), not a parameter of its connectionString`)
    }
    if (RESERVED.includes(parameter)) throw reservedError(parameter)
    if (IGNORED_BY_PG.has(parameter)) {
      throw new TypeError(
        `options.connectionString must name the server and the database in its path, as in postgres://user@host/database: pg ignores the parameter '${parameter}'`,
      )
    }
  }
}

function severalServersError(option: string): TypeError {
  return new TypeError(
    `${option} names several servers, but locks live on one server: two clients on different servers could both hold a lock. Give one host that leads to the primary`,
  )
}

function standbyError(): TypeError {
  return new TypeError('locks live on the primary: target_session_attrs must be any, primary or read-write')
}

function reservedError(name: string): TypeError {
  return new TypeError(`options.${name} cannot be set: it would end waits or locks`)
}
