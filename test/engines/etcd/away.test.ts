// A server that is away is not taken for a lock that is busy.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { before, describe, test } from 'node:test'
import { text } from 'node:stream/consumers'
import type { Engine } from '../../../src/requests/engine.ts'
import { etcd } from '../../../src/engines/etcd/index.ts'
import { loadGrpc } from '../../../src/engines/etcd/load-grpc.ts'
import { isSlocketError, slocket } from '../../../src/index.ts'
import { DeafAddress, reasonWithoutDeafAddress } from '../../helpers/deaf-address.ts'
import { DEADLINE_MS, pass, until } from '../../helpers/until.ts'
import { TTL_MS } from '../helpers/etcd-arena.ts'
import { followersOf } from '../helpers/etcd-cluster.ts'
import { addressOf, Servers } from '../helpers/servers.ts'
import { TcpProxy } from '../helpers/tcp-proxy.ts'

/** Whoever is told of a server that is away is not told by that. A ticket that cannot be deleted after a failure keeps the process alive for as long. */
const LONG_TTL_MS = 40_000
/** Long enough for the first call to be given up. */
const TIMEOUT_MS = 10_000

function newNamespace(): string {
  return `away-${randomBytes(6).toString('hex')}`
}

function isUnreachable(error: unknown): true {
  assert.ok(isSlocketError(error, 'ERR_SLOCKET_UNREACHABLE'), String(error))
  assert.match(error.message, /etcd at .* has not answered for \d+\.\d s: ./)
  assert.ok(error.cause instanceof Error)
  return true
}

async function rejectsInTime(engine: Engine): Promise<void> {
  await assert.rejects(slocket('a', { engine, timeout: TIMEOUT_MS }), isUnreachable)
}

/** With a TTL that a test can wait for. */
async function rejectsWithoutTimeout(engine: Engine): Promise<void> {
  await Promise.all([
    assert.rejects(slocket.try('a', { engine }), isUnreachable),
    assert.rejects(slocket('b', { engine, timeout: 0 }), isUnreachable),
    assert.rejects(slocket.query('c', { engine }), isUnreachable),
  ])
}

// On a busy machine that takes long.
before(loadGrpc)

describe('an etcd server that is away at first use', { concurrency: true }, () => {
  test('nobody listens', async () => {
    await Promise.all([
      rejectsInTime(etcd({ endpoints: 'http://127.0.0.1:1', ttl: LONG_TTL_MS })),
      rejectsWithoutTimeout(etcd({ endpoints: ['127.0.0.1:1', '127.0.0.1:2'], ttl: TTL_MS })),
    ])
  })

  test('it accepts and is silent', async () => {
    await using proxy = await TcpProxy.open(addressOf('etcd'))
    proxy.isLosingReplies = true
    await Promise.all([
      rejectsInTime(etcd({ endpoints: proxy.address, ttl: LONG_TTL_MS })),
      rejectsWithoutTimeout(etcd({ endpoints: proxy.address, ttl: TTL_MS })),
    ])
  })

  test('packets are dropped', { skip: reasonWithoutDeafAddress() }, async () => {
    await using deaf = await DeafAddress.open()
    await Promise.all([
      rejectsInTime(etcd({ endpoints: deaf.address, ttl: LONG_TTL_MS })),
      rejectsWithoutTimeout(etcd({ endpoints: deaf.address, ttl: TTL_MS })),
    ])
  })
})

describe('an etcd server that goes away later', { concurrency: true }, () => {
  for (const [how, leave] of [
    ['refuses connections', async (proxy: TcpProxy) => await proxy[Symbol.asyncDispose]()],
    ['is silent', (proxy: TcpProxy) => void (proxy.isLosingReplies = true)],
  ] as const) {
    test(how, async () => {
      const [namespace, proxy] = [newNamespace(), await TcpProxy.open(addressOf('etcd'))]
      const [patient, other] = [LONG_TTL_MS, TTL_MS].map((ttl) => etcd({ endpoints: proxy.address, namespace, ttl }))
      for (const engine of [patient!, other!]) await (await slocket('a', { engine })).release()
      // This includes a request that has been waiting in the queue since before.
      const direct = etcd({ endpoints: addressOf('etcd'), namespace })
      const held = await slocket('held', { engine: direct })
      const waiting = slocket('held', { engine: patient!, timeout: 1.5 * TIMEOUT_MS })
      await until('it waits', async () => (await slocket.query('held', { engine: direct })).pending.length === 1)
      await leave(proxy)
      await Promise.all([
        rejectsInTime(patient!),
        rejectsWithoutTimeout(other!),
        assert.rejects(waiting, isUnreachable),
      ])
      await held.release()
      if (proxy.isLosingReplies) await proxy[Symbol.asyncDispose]()
    })
  }

  test('and answers again: a try of a held lock is refused', async () => {
    const namespace = newNamespace()
    await using proxy = await TcpProxy.open(addressOf('etcd'))
    const engine = etcd({ endpoints: proxy.address, namespace })
    const held = await slocket('a', { engine: etcd({ endpoints: addressOf('etcd'), namespace }) })
    proxy.isLosingReplies = true
    await rejectsInTime(engine)
    proxy.isLosingReplies = false
    proxy.break()
    assert.equal(await slocket.try('a', { engine }), null)
    await assert.rejects(slocket('a', { engine, timeout: TIMEOUT_MS }), (error) => {
      assert.ok(isSlocketError(error, 'ERR_SLOCKET_TIMEOUT'), String(error))
      return true
    })
    await held.release()
  })
})

test('a request that is cancelled while its server is silent does not keep the process alive', async () => {
  const name = newNamespace()
  const engine = etcd({ endpoints: addressOf('etcd') })
  await using proxy = await TcpProxy.open(addressOf('etcd'))
  const held = await slocket(name, { engine })
  const source = new URL('../../../src/', import.meta.url).href
  const program = `
    const { slocket } = await import('${source}index.js')
    const { etcd } = await import('${source}engines/etcd/index.js')
    const engine = etcd({ endpoints: '${proxy.address}', ttl: ${10 * DEADLINE_MS} })
    const controller = new AbortController()
    process.once('SIGUSR2', () => controller.abort('cancelled'))
    await slocket('${name}', { engine, signal: controller.signal }).catch((reason) => console.log(reason))`
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
    timeout: DEADLINE_MS,
  })
  const said = text(child.stdout)
  await until('it waits', async () => (await slocket.query(name, { engine })).pending.length === 1)
  proxy.isLosingReplies = true
  child.kill('SIGUSR2')
  const [code] = await once(child, 'exit')
  assert.equal(code, 0)
  assert.equal(await said, 'cancelled\n')
  await held.release()
})

test('an etcd cluster without a quorum is away, at first use and later', async () => {
  await using servers = await Servers.start('cluster')
  const endpoints = servers.addressOf('cluster').split(',')
  const engines = [LONG_TTL_MS, TTL_MS].map((ttl) => etcd({ endpoints, ttl }))
  for (const engine of engines) await (await slocket('a', { engine })).release()
  for (const node of await followersOf(servers)) await servers.signal(node, 'SIGSTOP')
  await Promise.all([
    rejectsInTime(engines[0]!),
    rejectsInTime(etcd({ endpoints, ttl: LONG_TTL_MS })),
    rejectsWithoutTimeout(engines[1]!),
    rejectsWithoutTimeout(etcd({ endpoints, ttl: TTL_MS })),
  ])
})

test('a process that is stopped until its time is over does not blame the server', async () => {
  const [name, endpoints] = [newNamespace(), addressOf('etcd')]
  const engine = etcd({ endpoints })
  const held = await slocket(name, { engine })
  const source = new URL('../../../src/', import.meta.url).href
  const program = `
    const { slocket } = await import('${source}index.js')
    const { etcd } = await import('${source}engines/etcd/index.js')
    const engine = etcd({ endpoints: '${endpoints}', ttl: ${LONG_TTL_MS} })
    await slocket('${name}', { engine, timeout: ${TIMEOUT_MS} }).catch(({ code }) => console.log(code))`
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const said = text(child.stdout)
  await until('it waits', async () => (await slocket.query(name, { engine })).pending.length === 1)
  child.kill('SIGSTOP')
  await pass(TIMEOUT_MS + 1000)
  child.kill('SIGCONT')
  await once(child, 'exit')
  assert.equal(await said, 'ERR_SLOCKET_TIMEOUT\n')
  await held.release()
})
