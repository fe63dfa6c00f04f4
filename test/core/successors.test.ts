import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { successorsOf, successorsOfDowngrade } from '../../src/core/successors.ts'
import type { Ticket } from '../../src/core/ticket.ts'
import { SHARED } from '../../src/core/claim.ts'
import { decideTurn } from '../../src/core/turn.ts'
import { holdersByBruteForce, MATCHING, queueOf, subsets, words } from './queues.ts'

/** What one departure from a queue comes to. */
interface Departure {
  readonly word: string
  readonly departed: Ticket
  readonly before: readonly Ticket[]
  readonly after: readonly Ticket[]
  readonly behind: readonly Ticket[]
}

describe('successors of a downgrade', () => {
  test('all whose turn has come are notified, and nobody else, if all can be notified', () => {
    for (const word of words('xs', 6)) {
      const { behind, after } = downgrade(word)
      const now = behind.filter((ticket) => decideTurn(ticket, after).kind === 'held')
      assert.deepEqual(successorsOfDowngrade(behind), now, `x|${word}`)
    }
  })

  test('all whose turn has come are notified, whoever else cannot be notified', () => {
    for (const word of words('xs', 5)) {
      const { behind, after } = downgrade(word)
      for (const reachable of subsets(behind)) {
        const told = successorsOfDowngrade(reachable)
        for (const ticket of reachable) {
          if (decideTurn(ticket, after).kind === 'held') assert.ok(told.includes(ticket), `x|${word}`)
        }
      }
    }
  })

  test('only shared requests are started', () => {
    for (const word of words('xs', 6)) {
      const { behind, after } = downgrade(word)
      const now = behind.filter((ticket) => decideTurn(ticket, after).kind === 'held')
      assert.ok(
        now.every(({ claim }) => claim.kind === 'shared'),
        `x|${word}`,
      )
    }
  })
})

/** An exclusive holder and those behind it, and the same when the holder shares. */
function downgrade(word: string): { behind: Ticket[]; after: Ticket[] } {
  const [holder, ...behind] = queueOf(`x${word}`)
  return { behind, after: [{ ...holder!, claim: SHARED }, ...behind] }
}

describe('successors', () => {
  test('all whose turn has come are notified, when all waiters are marked', () => {
    for (const departure of departures()) {
      const told = toldOf(departure, departure.behind, () => true)
      for (const ticket of nowHeld(departure)) assert.ok(told.includes(ticket), describeDeparture(departure, ticket))
    }
  })

  test('all marked whose turn has come are notified, when those whose turn had come before are not marked', () => {
    for (const departure of departures()) {
      const marked = departure.behind.filter((ticket) => decideTurn(ticket, departure.before).kind !== 'held')
      const told = toldOf(departure, marked, () => true)
      for (const ticket of nowHeld(departure)) assert.ok(told.includes(ticket), describeDeparture(departure, ticket))
    }
  })

  test('all that waited for the departed ticket, and whose turn has come, are notified, whoever cannot be notified', () => {
    for (const departure of departures()) {
      const { behind } = departure
      for (const reachable of subsets(behind)) {
        const told = toldOf(departure, behind, (ticket) => reachable.includes(ticket))
        for (const ticket of nowHeld(departure)) {
          if (!reachable.includes(ticket)) continue
          assert.ok(told.includes(ticket), `${describeDeparture(departure, ticket)}; reachable: ${reachable.length}`)
        }
      }
    }
  })

  test('all that wait for the departed ticket are notified, or wait for others that leave them no turn, whoever else is joining', () => {
    for (const departure of departures()) {
      const { before, behind, departed } = departure
      for (const marked of subsets(behind)) {
        const told = toldOf(departure, marked, () => true)
        for (const ticket of marked) {
          const on = waitsOn(ticket, before)
          if (!on.includes(departed) || isStillBlocked(ticket, on, marked)) continue
          assert.ok(told.includes(ticket), `${describeDeparture(departure, ticket)}; marked: ${marked.length}`)
        }
      }
    }
  })

  test('with equal claims, all that wait for the departed ticket are notified', () => {
    for (const departure of departures()) {
      const { before, behind, departed, word } = departure
      if (new Set(word).size > 1) continue
      for (const marked of subsets(behind)) {
        const told = toldOf(departure, marked, () => true)
        const waiting = marked.filter((ticket) => waitsOn(ticket, before).includes(departed))
        assert.deepEqual(
          waiting.filter((ticket) => !told.includes(ticket)),
          [],
          describeDeparture(departure),
        )
      }
    }
  })

  test('this holds past dead tickets that only the waiter knows of', () => {
    for (const departure of departures()) {
      const { before, behind, departed } = departure
      for (const dead of subsets(behind)) {
        const seen = before.filter((ticket) => !dead.includes(ticket))
        const told = toldOf(departure, behind, (ticket) => !dead.includes(ticket))
        for (const ticket of behind) {
          const on = waitsOn(ticket, seen)
          if (dead.includes(ticket) || !on.includes(departed) || isStillBlocked(ticket, on, behind)) continue
          assert.ok(told.includes(ticket), `${describeDeparture(departure, ticket)}; dead: ${dead.length}`)
        }
      }
    }
  })

  test('a ticket that cannot be notified does not count: the next one is notified instead', () => {
    for (const departure of departures()) {
      const { behind, departed } = departure
      for (const reachable of subsets(behind)) {
        const told = toldOf(departure, behind, (ticket) => reachable.includes(ticket))
        if (departed.claim.kind === 'permit') assert.deepEqual(told, holdersByBruteForce(reachable))
        else assert.ok(told.length >= Math.min(1, reachable.length), describeDeparture(departure))
      }
    }
  })

  test('nobody is notified twice, and the nearest are notified first', () => {
    for (const departure of departures()) {
      const told = toldOf(departure, departure.behind, () => true)
      assert.deepEqual(
        told,
        departure.behind.filter((ticket) => told.includes(ticket)),
        describeDeparture(departure),
      )
    }
  })

  test('no more are notified than may hold now', () => {
    const toldAfter = (word: string): string => {
      const [departed, ...behind] = queueOf(word) as [Ticket, ...Ticket[]]
      return toldOf({ word, departed, before: [], after: behind, behind }, behind, () => true)
        .map(({ id }) => id[0])
        .join('')
    }
    assert.equal(toldAfter('x'), '')
    assert.equal(toldAfter('xxx'), 'x')
    assert.equal(toldAfter('xxs'), 'x')
    assert.equal(toldAfter('xssxs'), 'ss')
    assert.equal(toldAfter('xss'), 'ss')
    assert.equal(toldAfter('ssx'), 's')
    assert.equal(toldAfter('sxs'), 'x')
    assert.equal(toldAfter('1111'), '1')
    assert.equal(toldAfter('2222'), '22')
    assert.equal(toldAfter('3333'), '333')
    assert.equal(toldAfter('1333'), '333')
    assert.equal(toldAfter('3u333'), 'u3')
    assert.equal(toldAfter('33u33'), '3u')
    assert.equal(toldAfter('v3u3'), '3u')
    // Nobody overtakes.
    assert.equal(toldAfter('33133'), '3')
  })
})

function* departures(): Generator<Departure> {
  for (const word of MATCHING) {
    const before = queueOf(word)
    for (const [place, departed] of before.entries()) {
      const behind = before.slice(place + 1)
      yield { word, departed, before, after: [...before.slice(0, place), ...behind], behind }
    }
  }
}

/** Those on whom `ticket` sleeps, by a look at `listing`. */
function waitsOn(ticket: Ticket, listing: readonly Ticket[]): readonly Ticket[] {
  const turn = decideTurn(ticket, listing)
  return turn.kind === 'blocked' ? turn.on : []
}

/** Whether those of `on` that are in `left` keep `ticket` from its turn, whoever else leaves. */
function isStillBlocked(ticket: Ticket, on: readonly Ticket[], left: readonly Ticket[]): boolean {
  const listing = left.filter((other) => other === ticket || on.includes(other))
  return decideTurn(ticket, listing).kind === 'blocked'
}

/** Those whose turn has come by the departure. */
function nowHeld({ before, after }: Departure): Ticket[] {
  return after.filter(
    (ticket) => decideTurn(ticket, after).kind === 'held' && decideTurn(ticket, before).kind !== 'held',
  )
}

function toldOf(departure: Departure, marked: readonly Ticket[], canTell: (ticket: Ticket) => boolean): Ticket[] {
  return successorsOf(departure.departed.claim, marked.filter(canTell))
}

function describeDeparture({ word, departed }: Departure, ticket?: Ticket): string {
  return `${departed.id} left ${word}${ticket === undefined ? '' : `, the turn of ${ticket.id} has come`}`
}
