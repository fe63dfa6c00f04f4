import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import type { QueuedRequest } from '../../../src/requests/ticket-queue.ts'
import { MAX_PARTY_BYTES } from '../../../src/engines/local/wire/frames.ts'
import { formatParty, ownCommand, parseParty } from '../../../src/engines/local/party-json.ts'
import type { OwnTicket } from '../../../src/engines/local/ticket.ts'

const labels = fc.option(fc.string({ unit: 'binary', maxLength: 200 }), { nil: undefined })
const moments = fc.option(fc.bigInt({ min: 0n, max: 9_999_999_999_999_999_999n }), { nil: undefined })
const partyMembers = fc.record({ sinceMs: fc.nat(), sinceNs: moments, label: labels }, { noNullPrototype: true })

describe('party', () => {
  test('what is written is parsed', () => {
    fc.assert(
      fc.property(fc.array(fc.array(partyMembers, { maxLength: 5 }), { maxLength: 5 }), (parties) => {
        const party = parseParty(formatParty(parties.map((members, index) => ticket(`ticket-${index}`, members))))
        assert.equal(party?.pid, process.pid)
        assert.equal(party?.command, ownCommand())
        assert.deepEqual(
          [...party.tickets],
          parties.map((members, index) => [`ticket-${index}`, members]),
        )
      }),
    )
  })

  test('is one line of printable ASCII, whatever the labels are', () => {
    fc.assert(
      fc.property(fc.array(partyMembers), (members) => {
        assert.match(formatParty([ticket('one', members)]), /^[\x20-\x7e]*$/)
      }),
    )
  })

  test('omits facts if there are too many, and never exceeds the limit', () => {
    const label = '\u{10ffff}'.repeat(100)
    const crowd = Array.from({ length: 5000 }, () => ({ sinceMs: 1, sinceNs: 2n, label }))
    const json = formatParty([ticket('one', crowd.slice(0, 10)), ticket('crowd', crowd), ticket('last', [])])
    assert.ok(json.length <= MAX_PARTY_BYTES)
    const party = parseParty(json)
    assert.equal(party?.tickets.get('one')?.length, 10)
  })

  test('contains a thousand short labels', () => {
    const members = Array.from({ length: 1000 }, (_, index) => ({
      sinceMs: index,
      sinceNs: BigInt(index),
      label: `label ${index}`,
    }))
    assert.deepEqual(parseParty(formatParty([ticket('one', members)]))?.tickets.get('one'), members)
  })

  test('junk is rejected, and throws nothing', () => {
    fc.assert(fc.property(fc.string(), (text) => void parseParty(text)))
    fc.assert(fc.property(fc.json(), (text) => void parseParty(text)))
    for (const text of ['', '{', 'null', '[]', '{}', '{"tickets":{}}', '{"pid":1,"command":"c","tickets":[]}']) {
      assert.equal(parseParty(text), undefined, text)
    }
    for (const tickets of [{ one: 1 }, { one: {} }, { one: null }]) {
      assert.equal(parseParty(JSON.stringify({ pid: 1, command: 'c', tickets })), undefined)
    }
  })

  test('wrong values in the right shape become valid or are omitted', () => {
    const text = fc.oneof(fc.string(), fc.integer(), fc.constant(null), fc.boolean())
    const member = fc.record({ since: text, ns: text, label: text }, { requiredKeys: [] })
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.array(fc.oneof(member, text))), (tickets) => {
        const party = parseParty(JSON.stringify({ pid: 1, command: 'c', tickets }))
        for (const told of party?.tickets.values() ?? []) {
          for (const { sinceMs, sinceNs, label } of told) {
            assert.ok(sinceNs === undefined || (typeof sinceNs === 'bigint' && sinceNs >= 0n))
            assert.equal(typeof sinceMs, 'number')
            assert.ok(label === undefined || typeof label === 'string')
          }
        }
      }),
    )
  })

  test('names of built-in properties are ordinary names', () => {
    const party = parseParty('{"pid":1,"command":"c","tickets":{"__proto__":[{"since":1}],"constructor":[]}}')
    assert.equal(party?.tickets.get('toString'), undefined)
    assert.deepEqual([...party!.tickets.keys()], ['__proto__', 'constructor'])
  })
})

/** A ticket, as far as its member describes it. */
function ticket(id: string, members: readonly QueuedRequest[]): OwnTicket {
  return { id, request: { wait: true, requests: () => members } } as unknown as OwnTicket
}
