/** The checker finds grants on etcd that overtake earlier requests in the queue. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Ticket } from '../engines/helpers/queue-history.ts'
import { orderOf } from '../engines/helpers/queue-history.ts'
import type { Line } from '../engines/helpers/trace.ts'

function downgraded(lease: string, created: number, deleted?: number): Ticket {
  return { ...ticket(lease, 's', created, deleted), isDowngraded: true }
}

function ticket(lease: string, claim: string, created: number, deleted?: number, isThief = false): Ticket {
  return {
    resource: 'a',
    isThief,
    claim,
    lease,
    created: BigInt(created),
    deleted: deleted === undefined ? undefined : BigInt(deleted),
  }
}

function granted(lease: string, token: number): Line {
  return { at: String(token), who: lease, as: lease, event: 'granted', resource: 'a', token: String(token), lease }
}

const IN_TURN: readonly (readonly [what: string, tickets: readonly Ticket[], lines: readonly Line[]])[] = [
  ['the next one, once the first has gone', [ticket('1', 'x', 5, 9), ticket('2', 'x', 6)], [granted('2', 9)]],
  ['one that came after the grant counts for nothing', [ticket('1', 'x', 5), ticket('2', 'x', 8)], [granted('1', 7)]],
  ['those who share', [ticket('1', 's', 5), ticket('2', 's', 6)], [granted('1', 6), granted('2', 6)]],
  [
    'those who share behind a holder that was downgraded, though they came before that',
    [ticket('1', 'x', 5, 8), ticket('2', 's', 6), downgraded('1', 8)],
    [granted('1', 5), granted('2', 8)],
  ],
  ['as many as there are permits', [ticket('1', 'p2', 5), ticket('2', 'p2', 6)], [granted('2', 6)]],
  [
    'as many as find room for the permits that they take',
    [ticket('1', 'p3.2', 5), ticket('2', 'p3', 6), ticket('3', 'p3', 7)],
    [granted('1', 5), granted('2', 6)],
  ],
  ['where there was a thief, nothing is said', [ticket('1', 'x', 5), ticket('2', 'x', 6, 8, true)], [granted('2', 6)]],
]
const OUT_OF_TURN: typeof IN_TURN = [
  ['one behind another', [ticket('1', 'x', 5, 9), ticket('2', 'x', 6)], [granted('2', 8)]],
  ['one who shares behind one who does not', [ticket('1', 'x', 5), ticket('2', 's', 6)], [granted('2', 6)]],
  [
    'one who does not share behind a holder that was downgraded, though it came before that',
    [ticket('1', 'x', 5, 8), ticket('2', 'x', 6), downgraded('1', 8)],
    [granted('2', 8)],
  ],
  ['one more than there are permits', [1, 2, 3].map((n) => ticket(String(n), 'p2', n + 4)), [granted('3', 7)]],
  ['one that takes more than is left', [ticket('1', 'p3.2', 5), ticket('2', 'p3.2', 6)], [granted('2', 6)]],
  [
    'one for which there is room, behind one for which there is none',
    [ticket('1', 'p3.2', 5), ticket('2', 'p3.2', 6), ticket('3', 'p5', 7)],
    [granted('3', 7)],
  ],
  ['one that has no ticket any more', [ticket('1', 'x', 5, 9)], [granted('1', 9)]],
  ['one whose ticket is not there yet', [ticket('1', 'x', 5)], [granted('1', 4)]],
]

for (const [what, tickets, lines] of IN_TURN) {
  test(`in turn: ${what}`, () => assert.deepEqual(orderOf(lines, tickets).findings, []))
}

for (const [what, tickets, lines] of OUT_OF_TURN) {
  test(`out of turn: ${what}`, () => assert.equal(orderOf(lines, tickets).findings.length, 1))
}

test('a grant without other requests in the queue shows nothing', () => {
  assert.equal(orderOf([granted('1', 5)], [ticket('1', 'x', 5)]).chances, 0)
  assert.equal(orderOf([granted('1', 6)], [ticket('1', 'x', 5), ticket('2', 'x', 6)]).chances, 1)
})
