// Permits on PostgreSQL: which requests are granted, and when.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Lock } from '../../../src/index.ts'
import { isSlocketError, slocket } from '../../../src/index.ts'
import { DEADLINE_MS, pass, until } from '../../helpers/until.ts'
import { assertFree, fresh, open, untilPending } from './permits.ts'

/** The longest: a look comes once in that time. */
const NEVER_MS = 60_000

describe('permits on PostgreSQL', () => {
  test('a release wakes the next request, without waiting for the next check', async () => {
    const name = fresh()
    assert.ok(NEVER_MS >= DEADLINE_MS)
    const [a, b] = [open(NEVER_MS), open(NEVER_MS)]
    const held = [await slocket(name, { engine: a, permits: 2 }), await slocket(name, { engine: b, permits: 2 })]
    for (let round = 0; round < 30; round += 1) {
      let next: Lock | undefined
      const waiting = slocket(name, { engine: round % 2 === 0 ? a : b, permits: 2, label: 'next' }).then(
        (lock) => (next = lock),
      )
      // Half of them release while it is on its way to wait.
      if (round % 3 > 0) await untilPending(name, a, 'next')
      else await pass(round % 5)
      await held.splice(round % 2, 1)[0]!.release()
      held.push(await until('it is granted', () => next, DEADLINE_MS / 2))
      await waiting
    }
    for (const lock of held) await lock.release()
    await assertFree(name, a)
  })

  test('permits of a cancelled request wake the next one, too', async () => {
    const name = fresh()
    const [a, b] = [open(NEVER_MS), open(NEVER_MS)]
    let given = 0
    for (let round = 0; round < 60; round += 1) {
      const holder = await slocket(name, { engine: a, permits: 1 })
      const controller = new AbortController()
      const quitter = slocket(name, { engine: a, permits: 1, label: 'quitter', signal: controller.signal }).then(
        (lock) => lock,
        () => undefined,
      )
      await untilPending(name, b, 'quitter')
      let next: Lock | undefined
      const waiting = slocket(name, { engine: b, permits: 1, label: 'next' }).then((lock) => (next = lock))
      await untilPending(name, b, 'quitter', 'next')
      const releasing = holder.release()
      await pass(round % 4)
      controller.abort()
      await releasing
      const lock = await quitter
      if (lock !== undefined) given += 1
      await lock?.release()
      await until('the next one is granted', () => next, DEADLINE_MS / 2)
      await (await waiting).release()
    }
    assert.ok(given < 60, 'none was cancelled in time')
    await assertFree(name, a)
  })

  test('300 timeouts at the moment of a grant: each rejects or owns, and nothing is left', async () => {
    const [name, a, b] = [fresh(), open(), open()]
    let timedOut = 0
    for (let round = 0; round < 300; round += 1) {
      const held = await slocket(name, { engine: a, permits: 2, take: 2 })
      const waiting = slocket(name, { engine: b, permits: 2, timeout: 1 + (round % 6) }).then(
        (lock) => lock,
        (error: unknown) => {
          assert.ok(isSlocketError(error, 'ERR_SLOCKET_TIMEOUT'), String(error))
          return undefined
        },
      )
      await pass(round % 7)
      await held.release()
      const lock = await waiting
      if (lock === undefined) timedOut += 1
      else await lock.release()
      assert.deepEqual(await slocket.query(name, { engine: a }), { held: [], pending: [] })
    }
    assert.ok(timedOut > 0 && timedOut < 300, `${timedOut} of 300 have timed out`)
    await assertFree(name, a)
  })

  test('tries of free permits are not refused, whatever other requests are made at that moment', async () => {
    const [name, a, b] = [fresh(), open(), open()]
    for (let round = 0; round < 20; round += 1) {
      const engines = [a, b, a, b, a, b]
      const tried = engines.map((engine) => slocket.try(name, { engine, permits: 12 }))
      const asked = engines.map((engine) => slocket(name, { engine, permits: 12 }))
      const locks = await Promise.all([...tried, ...asked])
      assert.ok(
        locks.every((lock) => lock !== null),
        `in round ${round}, ${locks.filter((lock) => lock === null).length} were refused`,
      )
      await Promise.all(locks.map((lock) => lock.release()))
    }
    await assertFree(name, a)
  })

  test('a try is refused while another request waits, even if there would be room for it', async () => {
    const [name, engine] = [fresh(), open()]
    const holder = await slocket(name, { engine, permits: 3 })
    const many = slocket(name, { engine, permits: 3, take: 3, label: 'many' })
    await untilPending(name, engine, 'many')
    assert.equal(await slocket.try(name, { engine: open(), permits: 3 }), null)
    await holder.release()
    await (await many).release()
    await assertFree(name, engine)
  })
})
