// Faults of holders, waiters and the server, on a real server.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, test } from 'node:test'
import { postgres } from '../../../src/engines/postgres/index.ts'
import type { Engine } from '../../../src/index.ts'
import { isSlocketError, slocket } from '../../../src/index.ts'
import { isRunning } from '../../helpers/command.ts'
import { pass, until } from '../../helpers/until.ts'
import { addressOf, Servers } from '../helpers/servers.ts'
import { terminate } from './admin.ts'
import { Child } from './child.ts'

const HEARTBEAT_MS = 400
const namespace = `faults-${randomBytes(8).toString('hex')}`
let names = 0

const open = (url: string, heartbeat: number = HEARTBEAT_MS): Engine =>
  postgres({ connectionString: url, namespace, heartbeat })
const fresh = (): string => `lock-${(names += 1)}-${randomBytes(4).toString('hex')}`
const isLost = (error: unknown): boolean => isSlocketError(error, 'ERR_SLOCKET_LOST')
const isUnreachable = (error: unknown): boolean => isSlocketError(error, 'ERR_SLOCKET_UNREACHABLE')

describe('faults on PostgreSQL', () => {
  const url = addressOf('postgres')

  async function untilPending(name: string, engine: Engine, count: number): Promise<void> {
    await until(`${count} wait`, async () => (await slocket.query(name, { engine })).pending.length === count)
  }

  test('kill -9 of the holder, and of a waiter in the middle of the queue: the next one gets the lock', async () => {
    const [name, engine] = [fresh(), open(url)]
    await using holder = new Child(url, namespace, name)
    await holder.says('held')
    await using middle = new Child(url, namespace, name)
    await middle.says('asking')
    await untilPending(name, engine, 1)
    const waiting = slocket(name, { engine })
    await untilPending(name, engine, 2)
    await middle[Symbol.asyncDispose]()
    await holder[Symbol.asyncDispose]()
    await (await waiting).release()
  })

  test("an operator ends the holder's session: it is notified, and the next one gets the lock", async () => {
    const [name, engine] = [fresh(), open(url)]
    const lock = await slocket(name, { engine, label: `holder of ${name}` })
    const waiting = slocket(name, { engine })
    await untilPending(name, engine, 1)
    assert.equal(await terminate(url, `holder of ${name}`), 1)
    await until('the holder is told', () => lock.signal.aborted)
    assert.ok(isLost(lock.signal.reason))
    assert.throws(() => lock.assertHeld(), isLost)
    assert.equal(lock.held, false)
    const next = await waiting
    assert.ok(next.token > lock.token)
    await lock.release()
    assert.equal(await slocket.try(name, { engine }), null)
    await next.release()
  })

  for (const [what, end] of [
    ["ends a waiter's session", 'pg_terminate_backend'],
    ["cancels a waiter's statement", 'pg_cancel_backend'],
  ] as const)
    test(`an operator ${what}: it rejects, and the others are not affected`, async () => {
      const [name, engine] = [fresh(), open(url)]
      const lock = await slocket(name, { engine })
      const waiting = slocket(name, { engine, label: `first of ${name}` })
      const rejected = assert.rejects(waiting, isUnreachable)
      await untilPending(name, engine, 1)
      const second = slocket(name, { engine })
      await untilPending(name, engine, 2)
      assert.equal(await terminate(url, `first of ${name}`, end), 1)
      await rejected
      lock.assertHeld()
      await lock.release()
      await (await second).release()
    })

  test('a holder that was stopped for too long finds its lock lost before it does anything else', async () => {
    const [name, engine] = [fresh(), open(url)]
    await using holder = new Child(url, namespace, name, HEARTBEAT_MS)
    await holder.says('held')
    await holder.stop()
    let isGranted = false
    const waiting = slocket(name, { engine }).then((lock) => {
      isGranted = true
      return lock
    })
    await pass(4 * HEARTBEAT_MS)
    assert.equal(isGranted, false, 'the server keeps the lock of one who is stopped')
    // There is a word for it to read before its timers run.
    holder.tell('assert')
    holder.continue()
    await holder.says('refused ERR_SLOCKET_LOST')
    await holder.says('lost ERR_SLOCKET_LOST')
    assert.deepEqual(
      holder.lines.filter((line) => line === 'asserted'),
      [],
    )
    await (await waiting).release()
  })

  for (const signal of ['SIGINT', 'SIGKILL'] as const) {
    test(`the server ends by ${signal} and restarts: all holders are notified, and new locks can be taken`, async () => {
      await using servers = await Servers.start('postgres')
      const own = servers.addressOf('postgres')
      const [name, engine] = [fresh(), open(own)]
      const lock = await slocket(name, { engine })
      const waiting = assert.rejects(slocket(name, { engine }), isUnreachable)
      await untilPending(name, engine, 1)
      await servers.signal('postgres', signal)
      await until('the holder is told', () => lock.signal.aborted)
      await waiting
      assert.ok(isLost(lock.signal.reason))
      await lock.release()
      await until('the server has ended', () => slocket(name, { engine }).then(() => false, isUnreachable))
      const again = await until('the server answers', async () => {
        // It does not start while a process of the one before is still about to end.
        if (!isRunning(servers.pidOf('postgres'))) await servers.restart('postgres')
        return await slocket(name, { engine }).catch(() => undefined)
      })
      assert.ok(again.token > lock.token)
      await again.release()
    })
  }

  test('300 timeouts at the moment of a grant: each rejects or owns, and nothing is left', async () => {
    const [name, a, b] = [fresh(), open(url), open(url)]
    let timedOut = 0
    for (let round = 0; round < 300; round += 1) {
      const held = await slocket(name, { engine: a })
      const waiting = slocket(name, { engine: b, timeout: 1 + (round % 4) }).then(
        (lock) => lock,
        (error: unknown) => {
          assert.ok(isSlocketError(error, 'ERR_SLOCKET_TIMEOUT'), String(error))
          return undefined
        },
      )
      await pass(round % 5)
      await held.release()
      const lock = await waiting
      if (lock === undefined) timedOut += 1
      else await lock.release()
      assert.deepEqual(await slocket.query(name, { engine: a }), { held: [], pending: [] })
    }
    assert.ok(timedOut > 0 && timedOut < 300, `${timedOut} of 300 have timed out`)
  })

  test('a try behind one that is entering waits for no holder, even if others have taken the last connection', async () => {
    const engine = postgres({ connectionString: url, namespace, maxConnections: 2 })
    const [name, other] = [fresh(), fresh()]
    const first = slocket(name, { engine })
    const trying = assert.rejects(slocket.try(name, { engine }), (error) =>
      isSlocketError(error, 'ERR_SLOCKET_RESOURCES'),
    )
    const locks = await Promise.all([first, slocket(other, { engine })])
    await trying
    for (const lock of locks) await lock.release()
  })

  test('a release that the server has answered while the event loop was blocked does not fail', async () => {
    const lock = await slocket(fresh(), { engine: open(url) })
    const releasing = lock.release()
    // It is sent.
    await new Promise((resolve) => setImmediate(resolve))
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 4 * HEARTBEAT_MS)
    await releasing
  })

  test('more names than connections: all are served', async () => {
    const engine = postgres({ connectionString: url, namespace, maxConnections: 5 })
    const holding = new Set<string>()
    await Promise.all(
      Array.from({ length: 400 }, async (_, index) => {
        const name = `name-${index % 100}`
        await slocket.with(name, { engine }, async () => {
          assert.equal(holding.has(name), false)
          holding.add(name)
          assert.ok(holding.size <= 5)
          await pass(1)
          holding.delete(name)
        })
      }),
    )
  })
})
