/**
 * Opens the engine of `--engine URL`. This file, and the engine, are loaded only if the option is given. No message repeats the URL, or a part of it that may be a
 * password.
 */
import type { Engine } from '../requests/engine.ts'
import { UsageError } from './exit-status.ts'

/** @throws UsageError */
export async function openEngine(url: string): Promise<Engine> {
  const scheme = /^([a-z]+):\/\//.exec(url)?.[1]
  try {
    if (scheme === 'postgres' || scheme === 'postgresql') {
      const { postgres } = await import('../engines/postgres/index.ts')
      return postgres(parsePostgresUrl(url))
    }
    if (scheme === 'etcd' || scheme === 'etcds') {
      const { etcd } = await import('../engines/etcd/index.ts')
      return etcd(parseEtcdUrl(url))
    }
    if (scheme === 'redis' || scheme === 'rediss') {
      const { redis } = await import('../engines/redis/index.ts')
      return redis(parseRedisUrl(url))
    }
  } catch (error) {
    // The engine has refused its options.
    if (error instanceof TypeError || error instanceof RangeError) throw new UsageError(`--engine: ${error.message}`)
    throw error
  }
  throw new UsageError("--engine must begin with 'postgres://', 'etcd://', 'etcds://', 'redis://' or 'rediss://'")
}

/** `host,host`, after `user:password@`. */
const SEVERAL_HOSTS = /^[a-z]+:\/\/(?:[^/?#]*@)?[^/?#@]*,[^/?#@]*(?:[/?#]|$)/

interface PostgresParts {
  connectionString: string
  namespace?: string
  pooler?: 'transaction'
}

/** `postgres://user:password@host:port/database`, with `?namespace=…&pooler=…` for us; all other parameters are for `pg`. @throws UsageError */
export function parsePostgresUrl(url: string): PostgresParts {
  // This isn't a URL, but postgres() has a message for it.
  if (SEVERAL_HOSTS.test(url)) return { connectionString: url }
  // The error of URL isn't used: it contains the whole URL.
  const parsed = URL.canParse(url) ? new URL(url) : undefined
  if (parsed === undefined || parsed.hash !== '') {
    throw new UsageError(
      '--engine must be postgres://USER:PASSWORD@HOST:PORT/DATABASE; other characters than letters and digits of a user or a password are ' +
        'percent-encoded (# is %23)',
    )
  }
  const [namespace, pooler] = ['namespace', 'pooler'].map((name) => parsed.searchParams.get(name))
  if (namespace === null && pooler === null) return { connectionString: url }
  for (const name of ['namespace', 'pooler']) parsed.searchParams.delete(name)
  return {
    connectionString: parsed.href,
    ...(typeof namespace === 'string' && { namespace }),
    // postgres() refuses any other value.
    ...(typeof pooler === 'string' && { pooler: pooler as 'transaction' }),
  }
}

/** `redis://user:password@host:port/database?namespace=…`; `rediss` with TLS. @throws UsageError */
export function parseRedisUrl(url: string): { url: string; namespace?: string } {
  const parsed = URL.canParse(url) ? new URL(url) : undefined
  const others = [...(parsed?.searchParams.keys() ?? [])].filter((name) => name !== 'namespace')
  if (parsed === undefined || parsed.hash !== '' || parsed.hostname === '' || others.length > 0) {
    throw new UsageError(
      '--engine must be redis://USER:PASSWORD@HOST:PORT/DATABASE?namespace=NAMESPACE (only HOST is needed); other characters than letters and ' +
        'digits of a user, a password or a namespace are percent-encoded (# is %23)',
    )
  }
  const namespace = parsed.searchParams.get('namespace')
  parsed.search = ''
  return { url: parsed.href, ...(namespace === null ? {} : { namespace }) }
}

interface EtcdParts {
  endpoints: string[]
  namespace?: string
  credentials?: { username: string; password: string }
}

/** `etcd://user:password@host:port,host:port/namespace`; `etcds` with TLS. @throws UsageError */
export function parseEtcdUrl(url: string): EtcdParts {
  const parts = /^(etcds?):\/\/(?:([^@/?#]*)@)?([^/?#@]+)(?:\/([^?#@]*))?$/.exec(url)
  if (parts === null) {
    throw new UsageError(
      '--engine must be etcd://USER:PASSWORD@HOST:PORT,HOST:PORT/NAMESPACE (USER:PASSWORD@ and NAMESPACE may be left out); in a user, a ' +
        'password or a namespace, @ is %40, / is %2F, ? is %3F and # is %23',
    )
  }
  const [, scheme, user, hosts, namespace = ''] = parts
  const endpoints = hosts!.split(',').map((host) => `${scheme === 'etcds' ? 'https' : 'http'}://${host}`)
  return {
    endpoints,
    ...(namespace === '' ? {} : { namespace: decoded(namespace) }),
    ...(user === undefined ? {} : { credentials: parseUser(user) }),
  }
}

function parseUser(user: string): { username: string; password: string } {
  const colon = user.indexOf(':')
  if (colon === -1) throw new UsageError('--engine: a user of etcd needs a password, as in etcd://user:password@host')
  return { username: decoded(user.slice(0, colon)), password: decoded(user.slice(colon + 1)) }
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw new UsageError('--engine: a % that is not the beginning of an escape, as in %40, is %25')
  }
}
