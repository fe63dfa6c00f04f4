import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Cancellation } from '../../src/requests/cancellation.ts'
import type { EnqueueRequest } from '../../src/requests/ticket-queue.ts'
import type { Claim } from '../../src/core/claim.ts'
import { EXCLUSIVE, permitClaim, SHARED } from '../../src/core/claim.ts'
import { decideTurn } from '../../src/core/turn.ts'
import { inOrder, parseTicket, ticketKey } from '../../src/engines/etcd/keys.ts'
import type { KeyValue, RangeRequest } from '../../src/engines/etcd/protocol.ts'
import { OwnTicket } from '../../src/engines/etcd/ticket.ts'
import { readListing, listingFor } from '../../src/engines/etcd/listing.ts'
import { Random } from '../../src/testing/random.ts'

const QUEUE = 'ns/q/YQ/'
const ROUNDS = 3000
const PERMITS = [permitClaim(2), permitClaim(3), permitClaim(3, 2), permitClaim(5, 2)]
const SESSION = {
  lease: '1',
  ttlMs: 10_000,
  isAlive: () => true,
  seemsAlive: () => true,
  forget: () => undefined,
  replaceKey: () => undefined,
  lose: () => undefined,
}

/** As etcd does it. */
function serve(keys: readonly KeyValue[], { key, rangeEnd, limit = 0, maxCreateRevision }: RangeRequest): KeyValue[] {
  const found = keys
    .filter((each) => (rangeEnd === undefined ? each.key === key : each.key >= key && each.key < rangeEnd))
    .filter((each) => maxCreateRevision === undefined || BigInt(each.createRevision) <= BigInt(maxCreateRevision))
    .sort((a, b) => Number(b.createRevision) - Number(a.createRevision))
  return limit === 0 ? found : found.slice(0, limit)
}

function ticketOf(key: string, claim: Claim, steal: boolean): OwnTicket {
  const told = { requests: () => [], onLost: () => undefined, onStolen: () => undefined }
  const request: EnqueueRequest = { claim, wait: true, steal, lingerMs: 0, cancellation: new Cancellation(), ...told }
  return new OwnTicket(key, request, SESSION)
}

describe('the part of the queue that a ticket in etcd reads', () => {
  test('decides its turn like the whole queue, and does not grow with the queue', () => {
    const random = new Random(1)
    const seen = new Map<string, number>()
    for (let round = 0; round < ROUNDS; round += 1) {
      const claims =
        random.below(4) === 0 ? [EXCLUSIVE, SHARED, ...PERMITS] : random.pick([[EXCLUSIVE, SHARED], PERMITS])
      const length = 1 + random.below(12)
      const made = Array.from({ length }, (_, index) => {
        const claim = random.below(6) === 0 && claims !== PERMITS ? permitClaim(2) : random.pick(claims)
        const isThief = claims !== PERMITS && random.below(12) === 0
        const key = ticketKey(QUEUE, claim, isThief, '25', index + 1)
        return { claim, isThief, key, createRevision: String(10 + index) }
      })
      const mine = random.pick(made)
      const own = ticketOf(mine.key, mine.claim, mine.isThief)
      own.createRevision = BigInt(mine.createRevision)
      const ranges = listingFor(QUEUE, own).flatMap(({ range }) => range ?? [])
      const { tickets, isClean } = readListing(
        QUEUE,
        ranges.flatMap((range) => serve(made, range)),
      )
      const whole = inOrder(made.flatMap((key) => parseTicket(QUEUE, key) ?? []))
      const turn = decideTurn(own, tickets)
      assert.deepEqual(turn, decideTurn(own, whole))
      assert.equal(isClean, true)
      seen.set(turn.kind, (seen.get(turn.kind) ?? 0) + 1)
      const most = mine.claim.kind === 'permit' ? mine.claim.permits + 1 : 3
      assert.ok(tickets.filter(({ isThief }) => !isThief).length <= most)
    }
    assert.deepEqual([...seen.keys()].sort(), ['blocked', 'held', 'mismatch'])
  })
})
