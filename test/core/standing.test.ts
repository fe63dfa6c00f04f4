import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { splitByTurn } from '../../src/core/standing.ts'
import { decideTurn } from '../../src/core/turn.ts'
import { MATCHING, queueOf, words } from './queues.ts'

describe('standing', () => {
  test('who is shown to hold is who decides that it holds, in all queues of up to five', () => {
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

  test("of claims that don't match, too, nobody is shown to hold who does not", () => {
    for (const word of words('xs2t3', 4)) {
      const queue = queueOf(word)
      const { held, pending } = splitByTurn(queue)
      assert.equal(held.length + pending.length, queue.length)
      const deciding = queue.filter((own) => decideTurn(own, queue).kind === 'held')
      assert.deepEqual(held, deciding, word)
    }
  })

  test('who is in the listing is alive: nobody has to have proven that', () => {
    const queue = queueOf('333').map((ticket) => ({ ...ticket, live: false }))
    assert.deepEqual(splitByTurn(queue), { held: queue, pending: [] })
  })
})
