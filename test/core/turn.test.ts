import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { doMatch } from '../../src/core/claim.ts'
import type { Ticket } from '../../src/core/ticket.ts'
import type { Turn } from '../../src/core/turn.ts'
import { decideTurn, isCertainlyBlocked } from '../../src/core/turn.ts'
import { MATCHING, holdersByBruteForce, mayHoldTogether, mayJoin, queueOf, subsets, words } from './queues.ts'

describe('turn', () => {
  test('the holders are those of the plain rule, in all queues of up to five', () => {
    for (const word of MATCHING) {
      const queue = queueOf(word)
      const held = queue.filter((own) => decideTurn(own, queue).kind === 'held')
      assert.deepEqual(held, holdersByBruteForce(queue), word)
    }
  })

  test('the holders may hold together, and the first waiter may not join them', () => {
    for (const word of MATCHING) {
      const queue = queueOf(word)
      const held = queue.filter((own) => decideTurn(own, queue).kind === 'held')
      const claims = held.map(({ claim }) => claim)
      assert.ok(mayHoldTogether(claims), word)
      const next = queue[held.length]
      if (next !== undefined) assert.ok(!mayJoin(claims, next.claim), word)
    }
  })

  test("a ticket's turn does not come while all that it is blocked on remain, whoever else leaves", () => {
    for (const word of MATCHING) {
      const queue = queueOf(word)
      for (const own of queue) {
        const turn = decideTurn(own, queue)
        if (turn.kind !== 'blocked') continue
        for (const left of subsets(queue)) {
          if (!left.includes(own) || !turn.on.every((ticket) => left.includes(ticket))) continue
          assert.equal(decideTurn(own, left).kind, 'blocked', `${own.id} in ${word}, left: ${idsOf(left)}`)
        }
      }
    }
  })

  test('a ticket is blocked on the nearest tickets ahead of it, nearest first', () => {
    for (const word of MATCHING) {
      const queue = queueOf(word)
      for (const [place, own] of queue.entries()) {
        const turn = decideTurn(own, queue)
        if (turn.kind !== 'blocked') continue
        const inTheWay = own.claim.kind === 'permit' ? withoutRoom(queue, place) : nearestInTheWay(own, queue, place)
        assert.deepEqual(turn.on, inTheWay, `${own.id} in ${word}`)
      }
    }
  })

  test('tickets behind change nothing', () => {
    for (const word of MATCHING) {
      const queue = queueOf(word)
      for (const [place, own] of queue.entries()) {
        assert.deepEqual(decideTurn(own, queue), decideTurn(own, queue.slice(0, place + 1)), `${own.id} in ${word}`)
      }
    }
  })

  test('a ticket keeps its turn, whoever leaves', () => {
    for (const word of MATCHING) {
      const queue = queueOf(word)
      for (const own of queue) {
        if (decideTurn(own, queue).kind !== 'held') continue
        for (const left of subsets(queue)) {
          if (left.includes(own))
            assert.equal(decideTurn(own, left).kind, 'held', `${own.id} in ${word}: ${idsOf(left)}`)
        }
      }
    }
  })

  test('a listing without the own ticket decides nothing', () => {
    for (const word of MATCHING) {
      for (const own of queueOf('xs2')) {
        const stranger = { ...own, id: 'not there' }
        assert.deepEqual(decideTurn(stranger, queueOf(word)), { kind: 'missing' })
      }
    }
  })

  test("of claims that don't match, no two hold together, and a mismatch is never reported with a claim that matches", () => {
    for (const word of words('xs23', 5)) {
      const queue = queueOf(word)
      const turns = queue.map((own): [Ticket, Turn] => [own, decideTurn(own, queue)])
      const held = turns.filter(([, { kind }]) => kind === 'held').map(([{ claim }]) => claim)
      assert.ok(mayHoldTogether(held), word)
      for (const [own, turn] of turns) {
        if (turn.kind !== 'mismatch') continue
        assert.ok(!doMatch(own.claim, turn.with.claim), word)
        assert.ok(queue.indexOf(turn.with) < queue.indexOf(own), word)
      }
    }
  })

  test('a ticket with another kind of claim that is not proven alive is waited for, alone', () => {
    const [stranger, own] = queueOf('x2') as [Ticket, Ticket]
    const doubtful = { ...stranger, live: false }
    assert.deepEqual(decideTurn(own, [doubtful, own]), { kind: 'blocked', on: [doubtful] })
    assert.deepEqual(decideTurn(own, [stranger, own]), { kind: 'mismatch', with: stranger })
  })

  test('a free permit is held only when all tickets ahead are proven alive: one may have died holding', () => {
    for (const word of words('3', 3)) {
      const queue = queueOf(word)
      const own = queue.at(-1)
      if (own === undefined) continue
      for (const doubtful of subsets(queue.slice(0, -1))) {
        const listing = queue.map((ticket) => (doubtful.includes(ticket) ? { ...ticket, live: false } : ticket))
        const turn: Turn = decideTurn(own, listing)
        assert.equal(turn.kind, doubtful.length === 0 ? 'held' : 'blocked', `${word}: ${idsOf(doubtful)}`)
        if (turn.kind === 'blocked') assert.deepEqual(idsOf([...turn.on].reverse()), idsOf(doubtful))
      }
    }
  })

  test('the own ticket is identified by its identity, not by the object', () => {
    fc.assert(
      fc.property(fc.constantFrom(...MATCHING.filter((word) => word !== '')), fc.nat(), (word, some) => {
        const queue = queueOf(word)
        const own = queue[some % queue.length]!
        assert.deepEqual(decideTurn({ id: own.id, claim: own.claim }, queue), decideTurn(own, queue))
      }),
    )
  })

  test('only a ticket behind live tickets, none of them joining, is certainly blocked', () => {
    fc.assert(
      fc.property(fc.array(fc.record({ live: fc.boolean(), joining: fc.boolean() })), (states) => {
        const blockers = states.map((state) => ({ ...queueOf('x')[0]!, ...state }))
        const isCertain = !states.some(({ live, joining }) => joining || !live)
        assert.equal(isCertainlyBlocked(blockers), isCertain)
      }),
    )
  })
})

/** Of claims that are no permits. */
function nearestInTheWay(own: Ticket, queue: readonly Ticket[], place: number): Ticket[] {
  const ahead = queue.slice(0, place).reverse()
  return ahead.filter(({ claim }) => own.claim.kind !== 'shared' || claim.kind === 'exclusive').slice(0, 1)
}

/** Of permits: the nearest one that has no room, if that isn't the one at `place` itself, and the fewest ones ahead of it that leave it none. */
function withoutRoom(queue: readonly Ticket[], place: number): Ticket[] {
  const hasRoom = (all: readonly Ticket[], { claim }: Ticket): boolean =>
    mayJoin(
      all.map((ticket) => ticket.claim),
      claim,
    )
  let last = place
  while (hasRoom(queue.slice(0, last), queue[last]!)) last -= 1
  let first = last
  while (hasRoom(queue.slice(first, last), queue[last]!)) first -= 1
  return queue.slice(first, last === place ? last : last + 1).reverse()
}

function idsOf(queue: readonly Ticket[]): string {
  return queue.map(({ id }) => id).join(' ')
}
