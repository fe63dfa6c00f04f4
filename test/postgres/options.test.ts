import assert from 'node:assert/strict'
import net from 'node:net'
import { test } from 'node:test'
import pg from 'pg'
import { parseEtcdUrl, parsePostgresUrl } from '../../src/cli/engine.ts'
import type { PostgresOptions } from '../../src/engines/postgres/index.ts'
import { postgres } from '../../src/engines/postgres/index.ts'
import { memory, slocket } from '../../src/index.ts'
import { permitClaim } from '../../src/core/claim.ts'

/** Instead of a connection string. */
const APART = { host: '127.0.0.1', port: 1, user: 'app', password: () => 'secret', database: 'app' }
const RESERVED = { statement_timeout: 0, lock_timeout: 0, query_timeout: 0, idle_in_transaction_session_timeout: 0 }
const connectionString = 'postgres://app@127.0.0.1:1/app'

test('wrong options throw synchronously', () => {
  for (const options of [
    undefined,
    null,
    'postgres://app@localhost/app',
    { connectionString: 'mysql://app@localhost/app' },
    { connectionString: 5 },
    { host: 5 },
    { port: '5432' },
    { namespace: 'a\nb' },
    { sequence: 'token' },
    { sequence: 'public.token"; DROP TABLE users; --' },
    { maxConnections: '5' },
    { heartbeat: '2000' },
    { max: 10 },
    { pooler: 'session' },
    { pooler: true },
    { statement_timeout: 1000 },
  ]) {
    assert.throws(() => postgres(options as never), TypeError, JSON.stringify(options))
  }
  for (const options of [{ port: 0 }, { maxConnections: 0 }, { heartbeat: 199 }, { heartbeat: 1000.5 }]) {
    assert.throws(() => postgres(options), RangeError, JSON.stringify(options))
  }
})

test('an option that pg would ignore is an error that says what to write', () => {
  for (const [options, advice] of [
    [{ pool: {} }, /its own connections/],
    [{ client: {} }, /its own connections/],
    [new pg.Pool(), /its own connections/],
    [{ url: connectionString }, /connectionString/],
    [{ uri: connectionString }, /connectionString/],
    [{ connectionstring: connectionString }, /did you mean 'connectionString'/],
    [{ connectonString: connectionString }, /did you mean 'connectionString'/],
    [{ dbname: 'app' }, /did you mean 'database'/],
    [{ username: 'app' }, /did you mean 'user'/],
    [{ max: 5 }, /maxConnections/],
    [{ name_space: 'a' }, /did you mean 'namespace'/],
    [{ replication: 'database' }, /known are/],
    [{ connectionString, database: 'other' }, /combined with options\.connectionString/],
    [{ connectionString, password: 'secret' }, /combined with options\.connectionString/],
    [{ connectionString: `${connectionString}?namespace=mine` }, /option of postgres\(\)/],
    [{ connectionString: `${connectionString}?maxconnections=5` }, /'maxConnections' is an option/],
    [{ connectionString: 'postgres://app@127.0.0.1/?dbname=app' }, /pg ignores/],
    [{ stream: {} }, /must be a function/],
    [{ connectionString: 'postgres://app:a,b@one,two/app' }, /names several servers/],
    [{ connectionString: 'postgres://one:5432,two:5433/app?target_session_attrs=read-write' }, /names several servers/],
    [{ connectionString: 'postgres:///app?host=one,two' }, /names several servers/],
    [{ host: 'one,two' }, /names several servers/],
    [{ connectionString: `${connectionString}?target_session_attrs=prefer-standby` }, /live on the primary/],
  ] as const)
    assert.throws(
      () => postgres(options as never),
      (error: Error) => error instanceof TypeError && advice.test(error.message) && !error.message.includes('secret'),
      JSON.stringify(options),
    )
})

test('client options of pg are accepted', () => {
  const known: Required<Record<Exclude<keyof pg.ClientConfig, keyof typeof RESERVED | keyof typeof APART>, unknown>> = {
    connectionString: `${connectionString}?sslmode=verify-full&target_session_attrs=any&connect_timeout=10`,
    keepAlive: true,
    stream: () => new net.Socket(),
    ssl: true,
    enableChannelBinding: true,
    sslnegotiation: 'postgres',
    keepAliveInitialDelayMillis: 1000,
    application_name: 'app',
    fallback_application_name: 'app',
    connectionTimeoutMillis: 1000,
    types: pg.types,
    options: '-c geqo=off',
    client_encoding: 'UTF8',
    pipeline: false,
  }
  postgres(known as PostgresOptions)
  postgres(APART)
  // The engine refuses standbys by itself; and a comma in a password is none between hosts.
  for (const attribute of ['any', 'primary', 'read-write'])
    postgres({ connectionString: `postgres://app:a,b@127.0.0.1:1/app?target_session_attrs=${attribute}` })
  for (const name of Object.keys(RESERVED)) assert.throws(() => postgres({ [name]: 1000 }), /would end waits/)
})

test('it connects only when a lock is requested; a missing server is reported', async () => {
  const engine = postgres({ connectionString })
  assert.equal(engine.capabilities.permits, true)
  await assert.rejects(slocket('a', { engine }), { code: 'ERR_SLOCKET_UNREACHABLE' })
  await assert.rejects(slocket.query('a', { engine }), { code: 'ERR_SLOCKET_UNREACHABLE' })
})

test('permits through a pooler are an error, and an aborted signal rejects', async () => {
  const engine = postgres({ connectionString })
  const pooled = postgres({ connectionString, pooler: 'transaction' })
  assert.equal(pooled.capabilities.permits, false)
  await assert.rejects(pooled.acquire('a', { claim: permitClaim(2), wait: true, lingerMs: 0 }), TypeError)
  const signal = AbortSignal.abort(new Error('mine'))
  await assert.rejects(slocket('a', { engine, signal }), (error) => error === signal.reason)
  await (await slocket('a', { engine: memory() })).release()
})

test('the URLs of the command', () => {
  assert.deepEqual(parsePostgresUrl('postgres://u:p@h:1/d'), { connectionString: 'postgres://u:p@h:1/d' })
  assert.deepEqual(parsePostgresUrl('postgres://u:p@h:1/d?namespace=x%20y&sslmode=require'), {
    connectionString: 'postgres://u:p@h:1/d?sslmode=require',
    namespace: 'x y',
  })
  assert.deepEqual(parsePostgresUrl('postgres://h,i/d'), { connectionString: 'postgres://h,i/d' })
  assert.deepEqual(parsePostgresUrl('postgres://h/d?pooler=transaction'), {
    connectionString: 'postgres://h/d',
    pooler: 'transaction',
  })
  assert.deepEqual(parseEtcdUrl('etcd://a:1,b:2/x%2Fy'), { endpoints: ['http://a:1', 'http://b:2'], namespace: 'x/y' })
  assert.deepEqual(parseEtcdUrl('etcds://me:p%40ss@a'), {
    endpoints: ['https://a'],
    credentials: { username: 'me', password: 'p@ss' },
  })
  for (const url of ['etcd://', 'etcd://me@a', 'etcd://a?x=1'])
    assert.throws(() => parseEtcdUrl(url), { name: 'UsageError' })
})
