// slocket/redlock, on a server.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { after, describe, test } from 'node:test'
import { Redis } from 'ioredis'
import { ExecutionError, Lock, Redlock, ResourceLockedError } from '../../../src/compat/redlock.ts'
import { keysOf } from '../../../src/engines/redis/names.ts'
import type { SlocketErrorCode } from '../../../src/index.ts'
import { isSlocketError } from '../../../src/index.ts'
import { until } from '../../helpers/until.ts'
import { addressOf } from '../helpers/servers.ts'
import { CLIENTS } from './clients.ts'

const url = addressOf('redis')
const namespace = `redlock-${randomBytes(6).toString('hex')}`
/** No lease runs out meanwhile, however busy the machine is. */
const LONG_MS = 60_000
const DAY_MS = 86_400_000
const ALWAYS = { retryCount: -1 }
const client = new Redis(url)
const redlock = new Redlock([client], { namespace, retryDelay: 2000 })
after(async () => await redlock.quit())

/** Without a turn of the event loop. */
function block(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
}

async function untilTickets(name: string, count: number): Promise<void> {
  const [queue] = keysOf(namespace, name)
  await until(`${count} tickets for ${name}`, async () => (await client.zcard(queue!)) === count)
}

/** When the only lease in a queue runs out. */
async function leaseEnd(name: string): Promise<number> {
  const [, end] = await client.zrange(keysOf(namespace, name)[1]!, '0', '-1', 'WITHSCORES')
  return Number(end)
}

async function fails(operation: Promise<unknown>, code: SlocketErrorCode): Promise<void> {
  const error: unknown = await operation.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  assert.ok(error instanceof ExecutionError, String(error))
  assert.equal(error.name, 'ExecutionError')
  assert.ok(isSlocketError(error.cause, code), String(error.cause))
  assert.equal(error.attempts.length, 1)
  const { votesFor, votesAgainst } = await error.attempts[0]!
  assert.equal(votesFor.size, 0)
  const [vote] = [...votesAgainst.values()]
  assert.equal(vote instanceof ResourceLockedError, code !== 'ERR_SLOCKET_UNREACHABLE')
}

describe('slocket/redlock', () => {
  for (const [name, open] of Object.entries(CLIENTS)) {
    test(`${name}: a lock is acquired, extended and released`, async () => {
      const own = await open(url)
      const other = new Redlock([own.client], { namespace })
      const lock = await other.acquire([name, `${name}, too`], LONG_MS)
      assert.deepEqual(lock.resources, [name, `${name}, too`])
      assert.deepEqual((await lock.attempts[0]!).votesFor, new Set([own.client]))
      assert.ok(lock.expiration > Date.now() && lock.expiration < Date.now() + LONG_MS)
      await fails(redlock.acquire([name], LONG_MS, { retryCount: 0 }), 'ERR_SLOCKET_TIMEOUT')
      const extended = await lock.extend(2 * LONG_MS)
      assert.ok(extended instanceof Lock)
      assert.equal(extended.value, lock.value)
      assert.equal(lock.expiration, 0)
      assert.ok(extended.expiration > Date.now() + LONG_MS)
      const { attempts } = await extended.release()
      assert.equal((await attempts[0]!).votesFor.size, 1)
      assert.equal(extended.expiration, 0)
      const next = await redlock.acquire([name], LONG_MS, { retryCount: 0 })
      assert.ok(next.locks[0]!.token > extended.locks[0]!.token)
      await next.release()
      own.close()
    })
  }

  test('callers get a lock in the order of their calls, and are notified', async () => {
    const first = await redlock.acquire(['order'], DAY_MS)
    const order: number[] = []
    const waiting = []
    for (const index of [0, 1, 2]) {
      waiting.push(redlock.using(['order'], DAY_MS, ALWAYS, async () => void order.push(index)))
      await untilTickets('order', index + 2)
    }
    await first.release()
    await Promise.all(waiting)
    assert.deepEqual(order, [0, 1, 2])
  })

  test('several resources are acquired all or none', async () => {
    const held = await redlock.acquire(['all 2'], LONG_MS)
    await fails(redlock.acquire(['all 1', 'all 2', 'all 3'], LONG_MS, { retryCount: 1 }), 'ERR_SLOCKET_TIMEOUT')
    const others = await redlock.acquire(['all 3', 'all 1'], LONG_MS, { retryCount: 0 })
    await held.release()
    await others.release()
  })

  test('a lock that is not extended is free when its duration is over, and its release fails', async () => {
    const lock = await redlock.acquire(['expires'], 300)
    const next = await redlock.acquire(['expires'], LONG_MS, ALWAYS)
    await fails(lock.extend(LONG_MS), 'ERR_SLOCKET_LOST')
    await fails(lock.release(), 'ERR_SLOCKET_LOST')
    assert.equal(next.locks[0]!.held, true)
    await next.release()
    await fails(next.release(), 'ERR_SLOCKET_LOST')
  })

  test('an extension changes the lease on the server: a process that blocks for longer than the old one keeps the lock', async () => {
    const lock = await redlock.acquire(['extended'], 2000)
    const before = await leaseEnd('extended')
    const extended = await lock.extend(LONG_MS)
    assert.ok((await leaseEnd('extended')) > before + LONG_MS / 2)
    block(2500)
    assert.equal(extended.locks[0]!.held, true)
    // By the old object, too, as in redlock.
    await lock.release()
  })

  test('a shorter extension does not shorten the lease while its answer is missing: nobody else has the lock', async () => {
    const own = new Redis(url)
    const other = new Redlock([own], { namespace })
    const lock = await (await other.acquire(['shortened'], LONG_MS)).extend(LONG_MS)
    const call = own.call.bind(own)
    let calls = 0
    // The first call reaches the server; nothing comes back.
    own.call = ((...command: Parameters<typeof call>) => {
      calls += 1
      if (calls === 1) void call(...command)
      return new Promise(() => {})
    }) as typeof call
    const extending = Promise.allSettled([lock.extend(2000)])
    await fails(redlock.acquire(['shortened'], LONG_MS, { retryCount: 1, retryDelay: 3000 }), 'ERR_SLOCKET_TIMEOUT')
    assert.equal(lock.locks[0]!.held, true)
    own.call = call
    await extending
    await other.quit()
  })

  test('a shorter extension ends the lock sooner', async () => {
    const lock = await (await redlock.acquire(['sooner'], LONG_MS)).extend(300)
    const next = await redlock.acquire(['sooner'], LONG_MS, ALWAYS)
    await fails(lock.release(), 'ERR_SLOCKET_LOST')
    await next.release()
  })

  test('using renews a lock for longer than its duration, and resolves with the result of its routine', async () => {
    const result = await redlock.using(['using'], 400, ALWAYS, async (signal, { lock }) => {
      const before = await leaseEnd('using')
      await until('it was renewed', async () => (await leaseEnd('using')) > before)
      await fails(redlock.acquire(['using'], LONG_MS, { retryCount: 1, retryDelay: 600 }), 'ERR_SLOCKET_TIMEOUT')
      assert.equal(lock.expiration, Infinity)
      assert.deepEqual([signal.aborted, signal.error], [false, undefined])
      return 'result'
    })
    assert.equal(result, 'result')
    await (await redlock.acquire(['using'], LONG_MS, { retryCount: 0 })).release()
  })

  test('using rejects with the error of its routine, and releases', async () => {
    const wrong = new Error('wrong')
    await assert.rejects(
      redlock.using(['throws'], LONG_MS, ALWAYS, async () => await Promise.reject(wrong)),
      wrong,
    )
    await (await redlock.acquire(['throws'], LONG_MS, { retryCount: 0 })).release()
  })

  test('when the lock is lost, the signal of using aborts, and using rejects and emits the error', async () => {
    const emitted: unknown[] = []
    const own = new Redlock([client], { namespace }).on('error', (error) => void emitted.push(error))
    const using = own.using(['lost'], 1500, ALWAYS, async (signal) => {
      await client.del(keysOf(namespace, 'lost'))
      await once(signal, 'abort')
      assert.ok(signal.error instanceof ExecutionError)
      assert.throws(() => signal.throwIfAborted(), { code: 'ERR_SLOCKET_LOST' })
    })
    await fails(using, 'ERR_SLOCKET_LOST')
    assert.ok(emitted.length > 0 && emitted.every((error) => error instanceof ResourceLockedError))
  })

  test('the signal of using notices at once that the process was stopped for too long', async () => {
    const using = redlock.using(['stopped'], 1000, ALWAYS, async (signal) => {
      block(2500)
      assert.equal(signal.aborted, true)
      await Promise.resolve()
    })
    await fails(using, 'ERR_SLOCKET_LOST')
  })

  test("a killed process's lock is free when its lease has run out", async () => {
    const program = `
      const [source, url, namespace] = process.argv.slice(1)
      const { Redlock } = await import(new URL('compat/redlock.js', source))
      const { Redis } = await import(import.meta.resolve('ioredis', source))
      await new Redlock([new Redis(url)], { namespace }).acquire(['killed'], 2000)
      process.kill(process.pid, 'SIGKILL')`
    const source = new URL('../../../src/', import.meta.url).href
    const child = spawn(process.execPath, ['--input-type=module', '-e', program, source, url, namespace], {
      stdio: ['ignore', 'inherit', 'inherit'],
    })
    const [, signal] = (await once(child, 'exit')) as [number | null, string | null]
    assert.equal(signal, 'SIGKILL')
    const lock = await redlock.acquire(['killed'], LONG_MS, ALWAYS)
    assert.equal(lock.locks[0]!.recovered, true)
    await lock.release()
  })

  test('an error of Redis is an ExecutionError whose cause says why', async () => {
    const closed = new Redis(url)
    const own = new Redlock([closed], { namespace })
    await own.quit()
    await fails(own.acquire(['closed'], LONG_MS), 'ERR_SLOCKET_UNREACHABLE')
  })
})
