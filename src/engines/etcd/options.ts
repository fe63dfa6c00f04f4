/**
 * The options of `etcd()`, and how they are checked: wrong options are TypeError or RangeError, at the call. No message repeats a value that may contain a
 * password: endpoints, credentials, certificates.
 */
import { checkKnownOptions } from '../../requests/known-options.ts'
import type { OptionHints } from '../../requests/known-options.ts'
import { checkPem } from './pem.ts'
import type { Pem } from './pem.ts'

/** Options of {@link etcd}. An unknown option is a TypeError. */
export interface EtcdOptions {
  /**
   * The members of the cluster: `http://host:2379`, `https://host:2379` or `host:2379`, one or several. Name all of them: if one does not answer, the
   * client uses the next.
   */
  readonly endpoints: string | readonly string[]
  /** The beginning of all keys. Clients with different namespaces have different locks. Default: `slocket`. */
  readonly namespace?: string | undefined
  /**
   * How long the server keeps the locks of a client that it no longer hears from, in milliseconds, from 5000 to 86,400,000. After a crash the waiters
   * wait that long; a holder that is cut off from the network for longer loses its locks. etcd counts whole seconds: fractions are rounded up.
   * Default: `10_000`.
   */
  readonly ttl?: number | undefined
  /** The etcd user to log in as. Default: no authentication. */
  readonly credentials?: EtcdCredentials | undefined
  /**
   * Certificates for TLS, as PEM: the contents of the files, not their paths. Default: for `https://` endpoints, the certificate authorities that Node
   * knows; for others, no TLS.
   */
  readonly tls?: EtcdTls | undefined
}

/** An etcd user. */
export interface EtcdCredentials {
  /** The name of the user. */
  readonly username: string
  /** The password of the user. */
  readonly password: string
}

/** Certificates, as PEM: the contents of the files, not their paths. They are checked when the engine is created. */
export interface EtcdTls {
  /** The certificate authority that signed the certificates of the servers. Default: the authorities that Node knows. */
  readonly ca?: string | Buffer | undefined
  /** The certificate of this client. Requires `key`. Default: none. */
  readonly cert?: string | Buffer | undefined
  /** The private key of this client, not encrypted. Requires `cert`. Default: none. */
  readonly key?: string | Buffer | undefined
}

/** Options, checked. */
export interface Settings {
  /** `host:port`. */
  readonly addresses: readonly string[]
  readonly namespace: string
  readonly ttlMs: number
  readonly credentials: EtcdCredentials | undefined
  /** Undefined means no TLS. */
  readonly tls: Pem | undefined
}

const DEFAULT_NAMESPACE = 'slocket'
const DEFAULT_TTL_MS = 10_000
const LEAST_TTL_MS = 5000
const MOST_TTL_MS = 86_400_000
const DEFAULT_PORT = '2379'

const KNOWN: ReadonlySet<string> = new Set(['endpoints', 'namespace', 'ttl', 'credentials', 'tls'])
const USE_ENDPOINTS = "use 'endpoints', as in endpoints: 'http://host:2379'"
const USE_CREDENTIALS = "use 'credentials: { username, password }'"
const USE_TLS = "use 'tls: { ca, cert, key }'"
const OF_A_CALL = 'it is an option of each call, as in slocket(name, { engine, … })'
const HINTS: OptionHints = {
  url: USE_ENDPOINTS,
  urls: USE_ENDPOINTS,
  host: USE_ENDPOINTS,
  hosts: USE_ENDPOINTS,
  port: USE_ENDPOINTS,
  address: USE_ENDPOINTS,
  connectionString: USE_ENDPOINTS,
  user: USE_CREDENTIALS,
  username: USE_CREDENTIALS,
  password: USE_CREDENTIALS,
  auth: USE_CREDENTIALS,
  ca: USE_TLS,
  cert: USE_TLS,
  key: USE_TLS,
  ssl: USE_TLS,
  prefix: "use 'namespace'",
  lease: "use 'ttl', in milliseconds",
  leaseTtl: "use 'ttl', in milliseconds",
  ttlMs: "use 'ttl', in milliseconds",
  ttlSeconds: "use 'ttl', in milliseconds",
  heartbeat: "leases are renewed automatically; use 'ttl', in milliseconds",
  timeout: OF_A_CALL,
  signal: OF_A_CALL,
  linger: OF_A_CALL,
  label: OF_A_CALL,
  mode: OF_A_CALL,
  permits: OF_A_CALL,
}

const KNOWN_OF_CREDENTIALS: ReadonlySet<string> = new Set(['username', 'password'])
const HINTS_OF_CREDENTIALS: OptionHints = { name: "did you mean 'username'?", user: "did you mean 'username'?" }

const KNOWN_OF_TLS: ReadonlySet<string> = new Set(['ca', 'cert', 'key'])
const HINTS_OF_TLS: OptionHints = {
  certificate: "did you mean 'cert'?",
  certChain: "did you mean 'cert'?",
  privateKey: "did you mean 'key'?",
  rootCertificate: "did you mean 'ca'?",
  passphrase: "decrypt 'key' first",
  pfx: "use 'cert' and 'key', as PEM",
  rejectUnauthorized: "servers are always verified; pass their certificate authority as 'ca'",
}

/** @throws TypeError, RangeError */
export function parseEtcdOptions(options: unknown): Settings {
  const { endpoints, namespace, ttl, credentials, tls } = parseRecord('options', options)
  checkKnownOptions(options as object, KNOWN, 'etcd()', HINTS)
  const parsed = parseEndpoints(endpoints)
  const isSecure = tls !== undefined || parsed[0]!.isSecure === true
  if (parsed.some((endpoint) => endpoint.isSecure !== undefined && endpoint.isSecure !== isSecure)) {
    throw new TypeError('options.endpoints must be all http:// (without options.tls), or all https://')
  }
  return {
    addresses: parsed.map(({ address }) => address),
    namespace: parseNamespace(namespace),
    ttlMs: parseTtl(ttl),
    credentials: credentials === undefined ? undefined : parseCredentials(credentials),
    tls: isSecure ? parseTls(tls ?? {}) : undefined,
  }
}

interface Endpoint {
  readonly address: string
  /** Undefined if the endpoint does not say. */
  readonly isSecure: boolean | undefined
}

function parseEndpoints(endpoints: unknown): Endpoint[] {
  if (!Array.isArray(endpoints)) return [parseEndpoint('options.endpoints', endpoints)]
  if (endpoints.length === 0) throw new TypeError('options.endpoints must name at least one server')
  return endpoints.map((endpoint, index) => parseEndpoint(`options.endpoints[${index}]`, endpoint))
}

/** @param name says which endpoint it is: the endpoint itself may contain a password. */
function parseEndpoint(name: string, text: unknown): Endpoint {
  if (typeof text !== 'string') throw new TypeError(`${name} must be a string, not ${describe(text)}`)
  if (text.includes('@')) throw new TypeError(`${name} contains a user: use 'credentials: { username, password }'`)
  const [, scheme, rest] = /^(?:(https?):\/\/)?(.*)$/s.exec(text)!
  const address = parseAddress(rest!)
  if (address === undefined) {
    const hint = text.includes(',') ? '; pass several endpoints as an array' : ', without a path or parameters'
    throw new TypeError(`${name} must be like http://host:2379, https://host:2379 or host:2379${hint}`)
  }
  return { address, isSecure: scheme === undefined ? undefined : scheme === 'https' }
}

/** Undefined if it isn't a host, with or without a port, and nothing more. */
function parseAddress(text: string): string | undefined {
  let url: URL
  try {
    // It isn't parsed as http:, which drops the port 80.
    url = new URL(`etcd://${text}`)
  } catch {
    return undefined
  }
  const hasMore = url.search !== '' || url.hash !== '' || !/^\/?$/.test(url.pathname)
  if (url.hostname === '' || hasMore) return undefined
  return `${url.hostname}:${url.port === '' ? DEFAULT_PORT : url.port}`
}

function parseNamespace(namespace: unknown = DEFAULT_NAMESPACE): string {
  if (typeof namespace !== 'string')
    throw new TypeError(`options.namespace must be a string, not ${describe(namespace)}`)
  if (namespace === '' || namespace.endsWith('/') || namespace.includes('\0') || /\p{Surrogate}/u.test(namespace)) {
    throw new TypeError("options.namespace must not be empty, end with '/', or contain a NUL or half a character")
  }
  return namespace
}

function parseTtl(ttl: unknown = DEFAULT_TTL_MS): number {
  if (typeof ttl !== 'number') throw new TypeError(`options.ttl must be a number (ms), not ${describe(ttl)}`)
  if (!(ttl >= LEAST_TTL_MS && ttl <= MOST_TTL_MS)) {
    throw new RangeError(
      `options.ttl is in milliseconds: it must be from ${LEAST_TTL_MS} to ${MOST_TTL_MS}, not ${ttl}`,
    )
  }
  return ttl
}

function parseCredentials(credentials: unknown): EtcdCredentials {
  const { username, password } = parseRecord('options.credentials', credentials)
  checkKnownOptions(credentials as object, KNOWN_OF_CREDENTIALS, 'options.credentials', HINTS_OF_CREDENTIALS)
  if (typeof username !== 'string' || typeof password !== 'string' || username === '') {
    throw new TypeError('options.credentials must have a username and a password, both strings')
  }
  return { username, password }
}

function parseTls(tls: unknown): Pem {
  const given = parseRecord('options.tls', tls)
  checkKnownOptions(given, KNOWN_OF_TLS, 'options.tls', HINTS_OF_TLS)
  const parsed: { ca?: Buffer; cert?: Buffer; key?: Buffer } = {}
  for (const name of ['ca', 'cert', 'key'] as const) {
    const value = given[name]
    if (value === undefined) continue
    if (typeof value !== 'string' && !Buffer.isBuffer(value)) {
      throw new TypeError(`options.tls.${name} must be a string or a Buffer (PEM), not ${describe(value)}`)
    }
    parsed[name] = Buffer.from(value)
  }
  checkPem(parsed)
  return parsed
}

function parseRecord(name: string, value: unknown): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new TypeError(`${name} must be an object, not ${describe(value)}`)
  }
  return value as Record<string, unknown>
}

/** Describes a value by its type only. */
function describe(value: unknown): string {
  if (value === null || value === undefined) return String(value)
  return Array.isArray(value) ? 'an array' : `a value of type ${typeof value}`
}
