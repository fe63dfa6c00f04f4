// Holders and waiters whose packets are dropped, both ways or one.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { pass } from '../../helpers/until.ts'
import { reasonWithoutIslands } from '../helpers/island.ts'
import { msBetween } from '../helpers/trace.ts'
import { cutOffForLong, inScene, MUCH_LATER_MS, PATIENCE_MS } from './island.ts'

describe('a PostgreSQL client that is cut off', { skip: reasonWithoutIslands() }, () => {
  test('for a moment: it keeps its lock', async () => {
    await inScene(async ({ island, islander }) => {
      islander.send({ do: 'acquire', as: 'held', resource: 'a' })
      await islander.says('granted')
      island.cutOff()
      // What is lost meanwhile is sent again within a second.
      await pass(PATIENCE_MS / 4)
      island.reconnect()
      await pass(2 * PATIENCE_MS)
      islander.send({ do: 'release', as: 'held' })
      await islander.says('released')
      assert.deepEqual(islander.said('lost'), [])
    })
  })

  for (const [what, directions] of [
    ['so that no answer comes', ['input']],
    ['so that none of its questions arrives', ['output']],
  ] as const) {
    test(`for long, ${what}: it is notified first, then the next one gets the lock`, async () => {
      await inScene(async (scene) => {
        const { code, lostMs, grantedMs } = await cutOffForLong(scene, [...directions])
        assert.equal(code, 'ERR_SLOCKET_LOST')
        assert.ok(lostMs < grantedMs && grantedMs < MUCH_LATER_MS, `${lostMs}, ${grantedMs} ms`)
      })
    })
  }

  test('while it waits: it is notified, and the requests behind it do not wait for it forever', async () => {
    await inScene(async ({ arena, island, islander, next, engine, untilWaiting }) => {
      const first = arena.start('first', engine)
      first.send({ do: 'acquire', as: 'first', resource: 'a' })
      await first.says('granted')
      islander.send({ do: 'acquire', as: 'second', resource: 'a' })
      await untilWaiting(1)
      next.send({ do: 'acquire', as: 'third', resource: 'a' })
      await untilWaiting(2)
      island.cutOff()
      // The grant of the second is an answer that nobody acknowledges.
      first.send({ do: 'release', as: 'first' })
      const released = await first.says('released')
      const granted = await next.says('granted')
      assert.ok(msBetween(released, granted) < MUCH_LATER_MS)
      assert.equal((await islander.says('failed')).code, 'ERR_SLOCKET_UNREACHABLE')
    })
  })
})
