import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseEtcdUrl, parsePostgresUrl } from '../../src/cli/engine.ts'
import { postgres } from '../../src/engines/postgres/index.ts'
import { memory, slocket } from '../../src/index.ts'
import { permitClaim } from '../../src/core/claim.ts'

const connectionString = 'postgres://app@127.0.0.1:1/app'

test('wrong options are refused at the call', () => {
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
    { statement_timeout: 1000 },
  ]) {
    assert.throws(() => postgres(options as never), TypeError, JSON.stringify(options))
  }
  for (const options of [{ port: 0 }, { maxConnections: 0 }, { heartbeat: 199 }, { heartbeat: 1000.5 }]) {
    assert.throws(() => postgres(options), RangeError, JSON.stringify(options))
  }
})

test('nothing is connected before a lock is asked for; a server that is not there is told of', async () => {
  const engine = postgres({ connectionString })
  assert.equal(engine.capabilities.permits, false)
  await assert.rejects(slocket('a', { engine }), { code: 'ERR_SLOCKET_UNREACHABLE' })
  await assert.rejects(slocket.query('a', { engine }), { code: 'ERR_SLOCKET_UNREACHABLE' })
})

test('permits are refused, and a signal that has aborted is heeded', async () => {
  const engine = postgres({ connectionString })
  await assert.rejects(engine.acquire('a', { claim: permitClaim(2), wait: true, lingerMs: 0 }), TypeError)
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
  assert.deepEqual(parseEtcdUrl('etcd://a:1,b:2/x%2Fy'), { endpoints: ['http://a:1', 'http://b:2'], namespace: 'x/y' })
  assert.deepEqual(parseEtcdUrl('etcds://me:p%40ss@a'), {
    endpoints: ['https://a'],
    credentials: { username: 'me', password: 'p@ss' },
  })
  for (const url of ['etcd://', 'etcd://me@a', 'etcd://a?x=1'])
    assert.throws(() => parseEtcdUrl(url), { name: 'UsageError' })
})
