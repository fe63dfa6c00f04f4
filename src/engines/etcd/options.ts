/** What `etcd()` may be told, and how it is checked: wrong options are TypeError or RangeError, at the call. */

/** What can be said to {@link etcd}. */
export interface EtcdOptions {
  /**
   * Where the members of the cluster are: `http://host:2379`, `https://host:2379`, or `host:2379`; one, or several. Name all of
   * them: when one does not answer, the next is asked.
   */
  readonly endpoints: string | readonly string[]
  /** What all keys begin with. Clients with other namespaces know nothing of each other. Default: `slocket`. */
  readonly namespace?: string | undefined
  /**
   * For how long a client that is heard of no more keeps what it has, in whole seconds, 5 to 86,400. That is how long others wait after
   * a crash, and a network that is gone for longer loses the locks. Default: 10.
   */
  readonly ttl?: number | undefined
  /** A user of etcd. */
  readonly credentials?: EtcdCredentials | undefined
  /** For TLS: certificates, as PEM. `https://` alone means TLS with the certificate authorities that Node knows. */
  readonly tls?: EtcdTls | undefined
}

/** A user of etcd, by name and password. */
export interface EtcdCredentials {
  /** The user's name. */
  readonly username: string
  /** The user's password. */
  readonly password: string
}

/** Certificates, each as PEM. */
export interface EtcdTls {
  /** The certificate authority that has signed the servers' certificates. */
  readonly ca?: string | Buffer | undefined
  /** The client's own certificate. Goes with `key`. */
  readonly cert?: string | Buffer | undefined
  /** The client's own key. Goes with `cert`. */
  readonly key?: string | Buffer | undefined
}

/** Options, checked. */
export interface Settings {
  /** `host:port`. */
  readonly addresses: readonly string[]
  readonly namespace: string
  readonly ttlSeconds: number
  readonly credentials: EtcdCredentials | undefined
  /** Undefined: no TLS. */
  readonly tls: { readonly ca?: Buffer; readonly cert?: Buffer; readonly key?: Buffer } | undefined
}

const DEFAULT_NAMESPACE = 'slocket'
const DEFAULT_TTL_S = 10
const LEAST_TTL_S = 5
const MOST_TTL_S = 86_400
const DEFAULT_PORT = '2379'
const KNOWN = ['endpoints', 'namespace', 'ttl', 'credentials', 'tls']

export function parseEtcdOptions(options: unknown): Settings {
  const { endpoints, namespace, ttl, credentials, tls } = parseRecord('options', options, KNOWN)
  const parsed = parseEndpoints(endpoints)
  const isSecure = tls !== undefined || parsed[0]!.isSecure === true
  if (parsed.some((endpoint) => endpoint.isSecure !== undefined && endpoint.isSecure !== isSecure)) {
    throw new TypeError('options.endpoints must be all http:// (without options.tls), or all https://')
  }
  return {
    addresses: parsed.map(({ address }) => address),
    namespace: parseNamespace(namespace),
    ttlSeconds: parseTtl(ttl),
    credentials: credentials === undefined ? undefined : parseCredentials(credentials),
    tls: isSecure ? parseTls(tls ?? {}) : undefined,
  }
}

interface Endpoint {
  readonly address: string
  /** Undefined where it does not say. */
  readonly isSecure: boolean | undefined
}

function parseEndpoints(endpoints: unknown): Endpoint[] {
  const all: unknown[] = Array.isArray(endpoints) ? endpoints : [endpoints]
  if (all.length === 0) throw new TypeError('options.endpoints must name at least one')
  return all.map((endpoint) => {
    if (typeof endpoint !== 'string') throw new TypeError(`an endpoint must be a string, not ${describe(endpoint)}`)
    const parsed = parseEndpoint(endpoint)
    if (parsed === undefined) {
      throw new TypeError(
        `an endpoint must be like http://host:2379, https://host:2379 or host:2379, not '${endpoint}'`,
      )
    }
    return parsed
  })
}

function parseEndpoint(text: string): Endpoint | undefined {
  const scheme = /^([a-z]+):\/\//.exec(text)?.[1]
  if (scheme !== undefined && scheme !== 'http' && scheme !== 'https') return undefined
  let url: URL
  try {
    // Not as http:, which drops the port 80.
    url = new URL(`etcd://${scheme === undefined ? text : text.slice(scheme.length + 3)}`)
  } catch {
    return undefined
  }
  const hasMore = url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== ''
  if (url.hostname === '' || hasMore || !/^\/?$/.test(url.pathname)) return undefined
  const address = `${url.hostname}:${url.port === '' ? DEFAULT_PORT : url.port}`
  return { address, isSecure: scheme === undefined ? undefined : scheme === 'https' }
}

function parseNamespace(namespace: unknown = DEFAULT_NAMESPACE): string {
  if (typeof namespace !== 'string')
    throw new TypeError(`options.namespace must be a string, not ${describe(namespace)}`)
  if (namespace === '' || namespace.endsWith('/') || namespace.includes('\0') || /\p{Surrogate}/u.test(namespace)) {
    throw new TypeError("options.namespace must not be empty, end with '/', nor contain a NUL or half a character")
  }
  return namespace
}

function parseTtl(ttl: unknown = DEFAULT_TTL_S): number {
  if (typeof ttl !== 'number') throw new TypeError(`options.ttl must be a number (seconds), not ${describe(ttl)}`)
  if (!Number.isInteger(ttl) || ttl < LEAST_TTL_S || ttl > MOST_TTL_S) {
    throw new RangeError(
      `options.ttl must be a whole number of seconds from ${LEAST_TTL_S} to ${MOST_TTL_S}, not ${ttl}`,
    )
  }
  return ttl
}

function parseCredentials(credentials: unknown): EtcdCredentials {
  const { username, password } = parseRecord('options.credentials', credentials, ['username', 'password'])
  if (typeof username !== 'string' || typeof password !== 'string' || username === '') {
    throw new TypeError('options.credentials must have a username and a password, both strings')
  }
  return { username, password }
}

function parseTls(tls: unknown): NonNullable<Settings['tls']> {
  const given = parseRecord('options.tls', tls, ['ca', 'cert', 'key'])
  const parsed: { ca?: Buffer; cert?: Buffer; key?: Buffer } = {}
  for (const name of ['ca', 'cert', 'key'] as const) {
    const value = given[name]
    if (value === undefined) continue
    if (typeof value !== 'string' && !Buffer.isBuffer(value)) {
      throw new TypeError(`options.tls.${name} must be a string or a Buffer (PEM), not ${describe(value)}`)
    }
    parsed[name] = Buffer.from(value)
  }
  if ((parsed.cert === undefined) !== (parsed.key === undefined)) {
    throw new TypeError('options.tls.cert and options.tls.key go together')
  }
  return parsed
}

function parseRecord(name: string, value: unknown, known: readonly string[]): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new TypeError(`${name} must be an object, not ${describe(value)}`)
  }
  const unknown = Object.keys(value).find((key) => !known.includes(key))
  if (unknown !== undefined) throw new TypeError(`${name}.${unknown} is not known; known are ${known.join(', ')}`)
  return value as Record<string, unknown>
}

function describe(value: unknown): string {
  if (value === null) return 'null'
  return typeof value === 'string' ? `'${value.slice(0, 50)}'` : `a value of type ${typeof value}`
}
