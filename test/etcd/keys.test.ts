import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { EXCLUSIVE, permitClaim, SHARED } from '../../src/core/claim.ts'
import {
  decodeResource,
  downgradedKey,
  encodeResource,
  endOf,
  inOrder,
  parseTicket,
  queuePrefix,
  ticketKey,
} from '../../src/engines/etcd/keys.ts'

const queue = queuePrefix('ns', 'a/b')

describe('keys in etcd', () => {
  test('no resource covers another, and each can be parsed', () => {
    const names = ['', 'a', 'a/', 'a/b', '.', '..', 'ä', '\u{1f512}', '\ud800', '\udc00', '\ufffd', 'x'.repeat(5000)]
    const encoded = names.map(encodeResource)
    assert.equal(new Set(encoded).size, names.length)
    for (const [index, text] of encoded.entries()) {
      assert.match(text, /^[\w.-]*$/)
      assert.equal(decodeResource(text), names[index])
    }
  })

  test('a prefix ends where the next one may begin', () => {
    assert.ok(endOf('a/') > 'a/\u{10ffff}')
    assert.equal(endOf('a/'), 'a0')
  })

  for (const claim of [EXCLUSIVE, SHARED, permitClaim(1), permitClaim(1_000_000), permitClaim(10, 3)]) {
    for (const isThief of [false, true]) {
      test(`a ticket can be parsed: ${JSON.stringify(claim)}, ${isThief ? 'a thief' : 'no thief'}`, () => {
        const key = ticketKey(queue, claim, isThief, 'v8f', 7)
        const ticket = parseTicket(queue, { key, createRevision: '12345678901234567890' })
        assert.deepEqual(ticket?.claim, claim)
        assert.equal(ticket.isThief, isThief)
        assert.equal(ticket.lease, 'v8f')
        assert.equal(ticket.createRevision, 12_345_678_901_234_567_890n)
        assert.equal(ticket.id, `${key}@12345678901234567890`)
      })
    }
  }

  test('the ticket of a downgraded holder is shared, and ahead of all but thieves', () => {
    const key = downgradedKey(queue, '1295', 7)
    assert.equal(key, `${queue}s/d-zz-7`)
    const { claim, isThief, isDowngraded, lease } = parseTicket(queue, { key, createRevision: '9' })!
    assert.deepEqual([claim, isThief, isDowngraded, lease], [SHARED, false, true, 'zz'])
    const others = [ticketKey(queue, EXCLUSIVE, false, 'a', 1), key, ticketKey(queue, EXCLUSIVE, true, 'a', 2)]
    const tickets = others.map((each, index) => parseTicket(queue, { key: each, createRevision: String(5 + index) })!)
    assert.deepEqual(
      inOrder(tickets).map((each) => each.key),
      others.toReversed(),
    )
  })

  test('other keys are not tickets', () => {
    for (const name of [
      '',
      't/',
      't/y-a-1',
      't/p0-a-1',
      't/p9999999-a-1',
      't/p2.3-a-1',
      'u/x-a-1',
      't/x-A-1',
      't/x-a-1/',
      't/x-a',
      't/d-a-1',
      's/d-a',
    ]) {
      assert.equal(parseTicket(queue, { key: queue + name, createRevision: '1' }), undefined, name)
    }
  })

  test('the newest thief comes first, then the others in order', () => {
    const ticket = (isThief: boolean, createRevision: string): NonNullable<ReturnType<typeof parseTicket>> =>
      parseTicket(queue, { key: ticketKey(queue, EXCLUSIVE, isThief, 'a', 1), createRevision })!
    const mixed = [ticket(false, '9'), ticket(true, '5'), ticket(false, '10'), ticket(true, '11'), ticket(false, '2')]
    assert.deepEqual(
      inOrder(mixed).map(({ createRevision }) => createRevision),
      [11n, 5n, 2n, 9n, 10n],
    )
  })
})
