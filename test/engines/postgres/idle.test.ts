// Waiters behind a proxy that closes connections on which nothing happens.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import net from 'node:net'
import { describe, test } from 'node:test'
import { postgres } from '../../../src/engines/postgres/index.ts'
import { keyOf, whereKey } from '../../../src/engines/postgres/key.ts'
import { isSlocketError, slocket } from '../../../src/index.ts'
import type { Engine } from '../../../src/index.ts'
import { pass, until } from '../../helpers/until.ts'
import { addressOf } from '../helpers/servers.ts'
import { TcpProxy } from '../helpers/tcp-proxy.ts'
import { administer } from './admin.ts'
import { Child } from './child.ts'

const HEARTBEAT_MS = 200
const FLUSH = Buffer.from([0x48, 0, 0, 0, 4])
const namespace = `idle-${randomBytes(6).toString('hex')}`

describe('a waiter behind a proxy', () => {
  const url = new URL(addressOf('postgres'))
  const direct = postgres({ connectionString: url.href, namespace })

  function engineBy(address: string, options: { heartbeat?: number; maxConnections?: number } = {}): Engine {
    const connectionString = url.href.replace(url.host, address)
    return postgres({ connectionString, namespace, heartbeat: HEARTBEAT_MS, ...options })
  }

  async function untilPending(name: string, number: number): Promise<void> {
    await until(`${number} wait`, async () => (await slocket.query(name, { engine: direct })).pending.length === number)
  }

  /** The server's processes that wait. It may not have noticed yet that an earlier one is cut off. */
  async function waitersOf(name: string): Promise<unknown[]> {
    const statement = `SELECT pid FROM pg_locks WHERE NOT granted AND ${whereKey(keyOf(namespace, name))}`
    return (await administer(url.href, statement)).map(({ pid }) => pid)
  }

  /** @param seen the sessions that have waited; the new one is added. */
  async function untilWaitsAnew(name: string, seen: Set<unknown>): Promise<void> {
    await until('it waits by a new session', async () => {
      const fresh = (await waitersOf(name)).filter((pid) => !seen.has(pid))
      for (const pid of fresh) seen.add(pid)
      return fresh.length > 0
    })
  }

  test('sends something in each heartbeat, keeps its place that way, and its connection stays usable', async () => {
    const flushes = new Map<net.Socket, number>()
    const proxy = net.createServer((client) => {
      const server = net.connect(Number(url.port), url.hostname)
      for (const socket of [client, server]) socket.on('error', () => {})
      client.on('data', (bytes) => {
        if (bytes.equals(FLUSH)) flushes.set(client, (flushes.get(client) ?? 0) + 1)
      })
      client.pipe(server).pipe(client)
    })
    await once(proxy.listen(0, '127.0.0.1'), 'listening')
    const engine = engineBy(`127.0.0.1:${(proxy.address() as net.AddressInfo).port}`)
    const count = (): number => [...flushes.values()].reduce((sum, each) => sum + each, 0)
    // Three times by one session: the statement is prepared by then.
    for (let round = 0; round < 3; round += 1) {
      const held = await slocket('kept', { engine: direct })
      const waiting = slocket('kept', { engine })
      await untilPending('kept', 1)
      const behind = slocket('kept', { engine: direct })
      await untilPending('kept', 2)
      const before = count()
      await until('it has sent something, again and again', () => count() >= before + 3)
      await held.release()
      const lock = await waiting
      await untilPending('kept', 1)
      lock.assertHeld()
      await lock.release()
      await (await behind).release()
    }
    assert.equal(flushes.size, 1, 'one session has waited all the time')
    proxy.close()
  })

  test('that is killed after that still leaves the queue', async () => {
    const held = await slocket('killed', { engine: direct })
    await using waiter = new Child(url.href, namespace, 'killed', HEARTBEAT_MS)
    await waiter.says('asking')
    await untilPending('killed', 1)
    await pass(5 * HEARTBEAT_MS)
    await waiter[Symbol.asyncDispose]()
    await untilPending('killed', 0)
    await held.release()
  })

  test('whose connection is cut waits again, in its place among the requests of its engine', async () => {
    await using proxy = await TcpProxy.open(url.href)
    const engine = engineBy(proxy.address, { maxConnections: 1 })
    const held = await slocket('cut', { engine: direct })
    const granted: string[] = []
    const waiting = ['cut', 'other'].map(async (name) => {
      const lock = await slocket(name, { engine })
      granted.push(name)
      return lock
    })
    const seen = new Set<unknown>()
    for (let times = 0; times < 3; times += 1) {
      await untilWaitsAnew('cut', seen)
      await pass(1.5 * HEARTBEAT_MS)
      proxy.break()
    }
    await untilWaitsAnew('cut', seen)
    await held.release()
    await (await waiting[0]!).release()
    await (await waiting[1]!).release()
    assert.deepEqual(granted, ['cut', 'other'])
  })

  test("keeps the order of its process's requests if the connections of several are cut", async () => {
    await using proxy = await TcpProxy.open(url.href)
    const engine = engineBy(proxy.address)
    const held = await slocket('several', { engine: direct })
    const granted: number[] = []
    const waiting: Promise<void>[] = []
    const ask = (number: number): void => {
      const takeTurn = async (): Promise<void> => {
        const lock = await slocket('several', { engine })
        granted.push(number)
        await lock.release()
      }
      waiting.push(takeTurn())
    }
    for (const number of [1, 2, 3]) ask(number)
    await untilPending('several', 3)
    await pass(1.5 * HEARTBEAT_MS)
    const before = await waitersOf('several')
    proxy.break()
    // And a request that is made while they are away.
    await pass(HEARTBEAT_MS / 2)
    ask(4)
    await until('all wait anew', async () => {
      return (await waitersOf('several')).filter((pid) => !before.includes(pid)).length === 4
    })
    await held.release()
    await Promise.all(waiting)
    assert.deepEqual(granted, [1, 2, 3, 4])
  })

  test('whose connection is cut can be cancelled while it reconnects', async () => {
    await using proxy = await TcpProxy.open(url.href)
    const engine = engineBy(proxy.address)
    const held = await slocket('off', { engine: direct })
    const seen = new Set<unknown>()
    for (let afterMs = 0; afterMs < 20; afterMs += 3) {
      const controller = new AbortController()
      const { signal } = controller
      const waiting = assert.rejects(slocket('off', { engine, signal }), (error) => error === signal.reason)
      await untilWaitsAnew('off', seen)
      await pass(1.5 * HEARTBEAT_MS)
      proxy.break()
      await pass(afterMs)
      controller.abort()
      await waiting
    }
    await untilPending('off', 0)
    await held.release()
    await (await slocket('off', { engine })).release()
  })

  test('whose connection is cut within a heartbeat, or whose server then goes away, is rejected', async () => {
    const held = await slocket('gone', { engine: direct })
    for (const heartbeat of [60_000, HEARTBEAT_MS]) {
      const proxy = await TcpProxy.open(url.href)
      const waiting = assert.rejects(slocket('gone', { engine: engineBy(proxy.address, { heartbeat }) }), (error) =>
        isSlocketError(error, 'ERR_SLOCKET_UNREACHABLE'),
      )
      await untilPending('gone', 1)
      if (heartbeat === HEARTBEAT_MS) {
        await pass(1.5 * HEARTBEAT_MS)
        await proxy[Symbol.asyncDispose]()
      } else proxy.break()
      await waiting
      if (heartbeat !== HEARTBEAT_MS) await proxy[Symbol.asyncDispose]()
      await untilPending('gone', 0)
    }
    await held.release()
  })
})
