// Permits on PostgreSQL: faults of holders, of the next request, and of those behind it.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { isSlocketError, slocket } from '../../../src/index.ts'
import { DEADLINE_MS, pass, until, within } from '../../helpers/until.ts'
import { Servers } from '../helpers/servers.ts'
import { TcpProxy } from '../helpers/tcp-proxy.ts'
import { terminate } from './admin.ts'
import {
  HEARTBEAT_MS,
  assertFree,
  child,
  fresh,
  isUnreachable,
  open,
  untilAtGate,
  untilPending,
  url,
} from './permits.ts'

/** Two and a half of them are longer than a test may take. */
const LONG_HEARTBEAT_MS = 60_000
const isLost = (error: unknown): boolean => isSlocketError(error, 'ERR_SLOCKET_LOST')

describe('permits on PostgreSQL, when processes, sessions and servers end', { concurrency: 2 }, () => {
  test('kill -9 of a holder of permits: the next one gets them, and the order stays', async () => {
    const [name, engine] = [fresh(), open()]
    await using holder = child(name, 3, 2)
    await holder.says('held')
    const other = await slocket(name, { engine, permits: 3 })
    const granted: string[] = []
    const ask = async (label: string, take: number): Promise<void> => {
      const lock = await slocket(name, { engine, permits: 3, take, label })
      granted.push(label)
      await lock.release()
    }
    const first = ask('first', 2)
    await untilPending(name, engine, 'first')
    const second = ask('second', 1)
    await untilPending(name, engine, 'first', 'second')
    await holder[Symbol.asyncDispose]()
    await within(Promise.all([first, second]), () => new Error(`granted: ${granted.join(', ')}`))
    assert.deepEqual(granted, ['first', 'second'])
    other.assertHeld()
    await other.release()
    await assertFree(name, engine)
  })

  test('kill -9 of the next request, and of one behind it: those behind continue', async () => {
    const [name, engine] = [fresh(), open()]
    const holder = await slocket(name, { engine, permits: 1 })
    await using next = child(name, 1)
    await untilPending(name, engine, 'child')
    await using behind = child(name, 1)
    await untilPending(name, engine, 'child', 'child')
    const last = slocket(name, { engine, permits: 1, label: 'last' })
    await untilPending(name, engine, 'child', 'child', 'last')
    await next[Symbol.asyncDispose]()
    await behind[Symbol.asyncDispose]()
    await untilPending(name, engine, 'last')
    await holder.release()
    await (await last).release()
    await assertFree(name, engine)
  })

  for (const [what, end] of [
    ['ends the session', 'pg_terminate_backend'],
    ['cancels a statement', 'pg_cancel_backend'],
  ] as const)
    test(`an operator ${what} of the request behind the next: it rejects, and the others are not affected`, async () => {
      const [name, engine] = [fresh(), open()]
      const holder = await slocket(name, { engine, permits: 1 })
      const next = slocket(name, { engine, permits: 1, label: 'next' })
      await untilPending(name, engine, 'next')
      const rejected = assert.rejects(slocket(name, { engine, permits: 1, label: `of ${name}` }), isUnreachable)
      await untilPending(name, engine, 'next', `of ${name}`)
      assert.equal(await terminate(url, `of ${name}`, end), 1)
      await rejected
      holder.assertHeld()
      await holder.release()
      await (await next).release()
      await assertFree(name, engine)
    })

  test('an operator ends the session of the next request: it waits again or rejects, and those behind continue', async () => {
    const [name, engine] = [fresh(), open()]
    const holder = await slocket(name, { engine, permits: 1 })
    const ended = slocket(name, { engine, permits: 1, label: `next of ${name}` }).then(
      (lock) => lock,
      (error: unknown) => {
        assert.ok(isUnreachable(error), String(error))
        return undefined
      },
    )
    await untilPending(name, engine, `next of ${name}`)
    const behind = slocket(name, { engine: open(), permits: 1, label: 'behind' })
    await untilPending(name, engine, `next of ${name}`, 'behind')
    assert.equal(await terminate(url, `next of ${name}`), 1)
    await holder.release()
    await (await behind).release()
    await (await ended)?.release()
    await assertFree(name, engine)
  })

  for (const when of ['is next', 'is behind the next, and becomes the next'] as const)
    test(`a process that ${when} while it is stopped does not block others; it waits again when it continues`, async () => {
      const [name, engine] = [fresh(), open()]
      const holder = await slocket(name, { engine, permits: 1 })
      const controller = new AbortController()
      const ahead: string[] = []
      let quitting: Promise<unknown> | undefined
      if (when !== 'is next') {
        ahead.push('quitter')
        const quitter = slocket(name, { engine, permits: 1, label: 'quitter', signal: controller.signal })
        quitting = assert.rejects(quitter)
        await untilPending(name, engine, ...ahead)
      }
      await using next = child(name, 1)
      await untilPending(name, engine, ...ahead, 'child')
      // Long enough that it waits anew if its connection is cut.
      await pass(2 * HEARTBEAT_MS)
      const behind = slocket(name, { engine, permits: 1, label: 'behind' })
      await untilPending(name, engine, ...ahead, 'child', 'behind')
      await next.stop()
      controller.abort()
      await quitting
      await untilAtGate(name, 1)
      await holder.release()
      const lock = await within(behind, () => new Error('the one behind it has not got its permit'))
      next.continue()
      await untilPending(name, engine, 'child')
      await lock.release()
      await next.says('held')
      next.tell('release')
      await next.says('done release')
      await assertFree(name, engine)
    })

  test('a cancelled request that waits for room rejects soon, even if the server no longer answers', async () => {
    const [name, engine] = [fresh(), open()]
    const { username, pathname } = new URL(url)
    await using proxy = await TcpProxy.open(url)
    const far = open(LONG_HEARTBEAT_MS, `postgres://${username}@${proxy.address}${pathname}`)
    const holder = await slocket(name, { engine, permits: 1 })
    const controller = new AbortController()
    const { signal } = controller
    const waiting = assert.rejects(slocket(name, { engine: far, permits: 1, label: 'far', signal }), /cancelled/)
    await untilPending(name, engine, 'far')
    await untilAtGate(name, 0)
    proxy.isLosingReplies = true
    controller.abort(new Error('cancelled'))
    await within(waiting, () => new Error('it still waits'))
    await holder.release()
    await assertFree(name, engine)
  })

  test("an operator ends a holder's session: it is notified, and the next one gets the permit", async () => {
    const [name, engine] = [fresh(), open()]
    const lock = await slocket(name, { engine, permits: 1, label: `holder of ${name}` })
    const waiting = slocket(name, { engine, permits: 1, label: 'next' })
    await untilPending(name, engine, 'next')
    assert.equal(await terminate(url, `holder of ${name}`), 1)
    await until('the holder is told', () => lock.signal.aborted)
    assert.ok(isLost(lock.signal.reason))
    assert.throws(() => lock.assertHeld(), isLost)
    const next = await waiting
    assert.ok(next.token > lock.token)
    await next.release()
    await assertFree(name, engine)
  })

  for (const signal of ['SIGINT', 'SIGKILL'] as const)
    test(`the server ends by ${signal}: holders are notified, and waiters reject`, async () => {
      await using servers = await Servers.start('postgres')
      const own = servers.addressOf('postgres')
      const [name, engine] = [fresh(), open(HEARTBEAT_MS, own)]
      const lock = await slocket(name, { engine, permits: 1 })
      const all = Promise.all(
        ['next', 'behind'].map(async (label) => {
          await assert.rejects(slocket(name, { engine, permits: 1, label, timeout: DEADLINE_MS / 2 }))
        }),
      )
      await until('they wait', async () => (await slocket.query(name, { engine })).pending.length === 2)
      await servers.signal('postgres', signal)
      await until('the holder is told', () => lock.signal.aborted)
      assert.ok(isLost(lock.signal.reason))
      await all
    })
})
