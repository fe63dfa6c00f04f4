import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { splitByTurn } from '../../src/core/standing.ts'
import { decideTurn } from '../../src/core/turn.ts'
import { MATCHING, queueOf, words } from './queues.ts'

describe('standing', () => {
  test('the holders that are shown are those that decide that they hold, in all queues of up to five', () => {
    for (const word of MATCHING) {
      const queue = queueOf(word)
      const { held, pending } = splitByTurn(queue)
      const isHeld = queue.map((own) => decideTurn(own, queue).kind === 'held')
      assert.deepEqual(
        held,
        queue.filter((_, place) => isHeld[place]),
        word,
      )
      assert.deepEqual(
        pending,
        queue.filter((_, place) => !isHeld[place]),
        word,
      )
    }
  })

  test('also with claims that do not match, only holders are shown as holders', () => {
    for (const word of words('xs2t3', 4)) {
      const queue = queueOf(word)
      const { held, pending } = splitByTurn(queue)
      assert.equal(held.length + pending.length, queue.length)
      const deciding = queue.filter((own) => decideTurn(own, queue).kind === 'held')
      assert.deepEqual(held, deciding, word)
    }
  })

  test('everybody in the listing counts as alive, without proof', () => {
    const queue = queueOf('333').map((ticket) => ({ ...ticket, live: false }))
    assert.deepEqual(splitByTurn(queue), { held: queue, pending: [] })
  })
})
