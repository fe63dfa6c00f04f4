import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { EXCLUSIVE, MAX_PERMITS, permitClaim, SHARED } from '../../../src/core/claim.ts'
import type { TicketName } from '../../../src/engines/local/ticket-name.ts'
import {
  DOWNGRADED,
  formatTicketName,
  isTicketName,
  looksLikeTicket,
  markedBy,
  NUMBER_DIGITS,
  NUMBERS_END,
  parseTicketName,
  REPORTED,
  ticketId,
} from '../../../src/engines/local/ticket-name.ts'

const LETTERS = [...'abcdefghijklmnopqrstuvwxyz0123456789']
const HEX = [...'0123456789abcdef']

const numbers = fc
  .bigInt({ min: 0n, max: BigInt(NUMBERS_END) - 1n })
  .map((number) => String(number).padStart(NUMBER_DIGITS, '0'))
const members = fc.string({ unit: fc.constantFrom(...LETTERS), minLength: 12, maxLength: 12 })
const claims = fc.oneof(
  fc.constant(EXCLUSIVE),
  fc.constant(SHARED),
  fc
    .tuple(fc.integer({ min: 1, max: MAX_PERMITS }), fc.nat())
    .map(([permits, some]) => permitClaim(permits, 1 + (some % permits))),
)
const names: fc.Arbitrary<TicketName> = fc
  .record({
    number: numbers,
    claim: claims,
    pid: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
    member: members,
    kernel: fc.string({ unit: fc.constantFrom(...HEX), minLength: 8, maxLength: 8 }),
  })
  .map((parts) => ({ ...parts, id: ticketId(parts.number, parts.member) }))

describe('ticket names', () => {
  test('what is written is parsed', () => {
    fc.assert(fc.property(names, (name) => assert.deepEqual(parseTicketName(formatTicketName(name)), name)))
  })

  test('names sort by their numbers, as plain text', () => {
    fc.assert(
      fc.property(names, names, (a, b) => {
        fc.pre(a.number !== b.number)
        assert.equal(formatTicketName(a) < formatTicketName(b), BigInt(a.number) < BigInt(b.number))
      }),
    )
  })

  test('a mark is not a ticket, sorts right behind its ticket, and leads back to it', () => {
    fc.assert(
      fc.property(names, names, (name, other) => {
        const ticket = formatTicketName(name)
        assert.equal(markedBy(ticket), undefined)
        for (const mark of [ticket + REPORTED, ticket + DOWNGRADED]) {
          assert.equal(parseTicketName(mark), undefined)
          assert.equal(markedBy(mark), ticket)
          fc.pre(other.id !== name.id)
          const text = formatTicketName(other)
          assert.equal(text < ticket, text < mark)
        }
      }),
    )
  })

  test('every name looks like a ticket, and fits into a directory', () => {
    fc.assert(
      fc.property(names, (name) => {
        assert.ok(looksLikeTicket(formatTicketName(name)))
        assert.ok(formatTicketName(name).length <= 255)
      }),
    )
  })

  test('junk is not a ticket, and throws nothing', () => {
    fc.assert(fc.property(fc.string(), (text) => assert.equal(parseTicketName(text), undefined)))
  })

  test('a name with one changed character is not a ticket, or is written as it was parsed', () => {
    fc.assert(
      fc.property(names, fc.nat(), fc.string({ minLength: 1, maxLength: 1 }), (name, some, character) => {
        const text = formatTicketName(name)
        const place = some % text.length
        const changed = text.slice(0, place) + character + text.slice(place + 1)
        const parsed = parseTicketName(changed)
        assert.equal(isTicketName(changed), parsed !== undefined)
        // A process id may be written with zeros ahead; it is for people alone.
        if (parsed !== undefined) assert.equal(withoutPid(formatTicketName(parsed)), withoutPid(changed))
      }),
    )
  })

  test('out-of-range values are not a ticket', () => {
    const name = '2-0000000849714949590-x-4711-k3j9d8f7a6s5-9b4128cb'
    assert.notEqual(parseTicketName(name), undefined)
    for (const [from, to] of [
      ['2-0', '3-0'],
      ['-0000000849714949590-', `-${NUMBERS_END}-`],
      ['-x-', '-p0-'],
      ['-x-', '-p-'],
      ['-x-', '-p01-'],
      ['-x-', `-p${MAX_PERMITS + 1}-`],
      ['-x-', '-y-'],
      ['-4711-', '--'],
      ['-4711-', '-12345678901-'],
      ['-9b4128cb', '-9b4128cb-w'],
      ['-9b4128cb', '-9b4128c'],
      ['-9b4128cb', '-9b4128cb\n'],
    ] as const) {
      assert.equal(parseTicketName(name.replace(from, to)), undefined, `${from} → ${to}`)
      assert.equal(isTicketName(name.replace(from, to)), false, `${from} → ${to}`)
    }
  })
})

function withoutPid(name: string): string {
  return name.replace(/^(2-\d+-[a-z0-9.]+)-\d+-/, '$1-')
}
