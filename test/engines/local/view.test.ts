/** What a reader of a part of a listing sees, compared with the whole listing. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Claim } from '../../../src/core/claim.ts'
import { EXCLUSIVE, permitClaim, SHARED } from '../../../src/core/claim.ts'
import { successorsOf } from '../../../src/core/successors.ts'
import { decideTurn } from '../../../src/core/turn.ts'
import type { QueueDirectory } from '../../../src/engines/local/directory.ts'
import type { Member } from '../../../src/engines/local/members/member.ts'
import { QueueView } from '../../../src/engines/local/view.ts'
import { ListedTicket, OwnTicket } from '../../../src/engines/local/ticket.ts'
import type { TicketName } from '../../../src/engines/local/ticket-name.ts'
import { DOWNGRADED, formatTicketName, ticketId } from '../../../src/engines/local/ticket-name.ts'

interface Entry {
  readonly claim: Claim
  readonly isDead: boolean
  readonly isForeign: boolean
  readonly isReached: boolean
  /** Names behind it that are longer than its own: marks, and other entries. */
  readonly longer: readonly string[]
}

const CLAIMS: readonly Claim[] = [
  EXCLUSIVE,
  EXCLUSIVE,
  SHARED,
  SHARED,
  permitClaim(1),
  permitClaim(2),
  permitClaim(3),
  permitClaim(3, 2),
]
const PERMITS: readonly Claim[] = [permitClaim(1), permitClaim(2), permitClaim(3), permitClaim(3, 2), permitClaim(6, 3)]
const ENTRY: fc.Arbitrary<Entry> = fc.record({
  claim: fc.constantFrom(...CLAIMS),
  isDead: sometimes(),
  isForeign: sometimes(),
  isReached: fc.boolean(),
  longer: fc.subarray(['!', '-h', '-m', '-r', '-s', '-r-r']),
})
const PERMIT_ENTRY: fc.Arbitrary<Entry> = fc
  .tuple(ENTRY, fc.constantFrom(...PERMITS))
  .map(([entry, claim]) => ({ ...entry, claim }))
const QUEUE = fc.oneof(
  fc.array(ENTRY, { minLength: 1, maxLength: 12 }),
  fc.array(PERMIT_ENTRY, { minLength: 1, maxLength: 12 }),
)

test('the part of a listing that is read decides like the whole listing', () => {
  const kinds = new Map<string, number>()
  fc.assert(
    fc.property(QUEUE, fc.nat(), fc.boolean(), (entries, place, isNamed) => {
      const scene = new Scene(entries, isNamed)
      const own = scene.own(place % entries.length)
      const expected = decideTurn(own, scene.whole(own))
      const actual = decideTurn(own, scene.view(own).listAhead(own))
      assert.equal(actual.kind, expected.kind)
      assert.deepEqual(namesIn(actual), namesIn(expected))
      kinds.set(actual.kind, (kinds.get(actual.kind) ?? 0) + 1)
    }),
    { numRuns: 2000 },
  )
  assert.deepEqual([...kinds.keys()].sort(), ['blocked', 'held', 'mismatch'])
})

test('without the own ticket in the listing, nothing is decided', () => {
  const scene = new Scene([entryOf(EXCLUSIVE), entryOf(SHARED)])
  const own = scene.own(1)
  scene.names = scene.names.filter((name) => name !== own.name)
  assert.deepEqual(scene.view(own).listAhead(own), [])
})

test('a notification reads no more of the listing than it needs, and finds the same tickets as the whole listing', () => {
  fc.assert(
    fc.property(QUEUE, fc.nat(), fc.constantFrom(...CLAIMS), fc.boolean(), (entries, place, departed, isNamed) => {
      const scene = new Scene(entries, isNamed)
      const own = scene.own(place % entries.length)
      const view = scene.view(own)
      view.list()
      const { name } = own
      const whole = scene.whole(own).filter((ticket) => ticket.name > name)
      const behind = [...view.behind(name)].filter((ticket) => !view.isForeign(ticket))
      assert.deepEqual(behind.map(nameOf), whole.map(nameOf))
      assert.deepEqual(successorsOf(departed, behind).map(nameOf), successorsOf(departed, whole).map(nameOf))
    }),
    { numRuns: 500 },
  )
})

test('the last ticket is the last entry that is a socket, dead or alive', () => {
  fc.assert(
    fc.property(QUEUE, fc.boolean(), (entries, isNamed) => {
      const scene = new Scene(entries, isNamed)
      const view = scene.view(undefined)
      view.list()
      const last = entries.findLastIndex(({ isForeign }) => !isForeign)
      assert.equal(view.last()?.name, last === -1 ? undefined : scene.tickets[last]!.name)
    }),
  )
})

test('an entry that was gone is checked again', () => {
  const scene = new Scene([entryOf(EXCLUSIVE), entryOf(EXCLUSIVE)])
  const own = scene.own(1)
  const view = scene.view(own)
  const { names } = scene
  for (let count = 0; count < 2; count += 1) assert.equal(view.listAhead(own).length, 2)
  assert.equal(scene.looks, 1)
  scene.names = names.filter((name) => name !== scene.tickets[0]!.name)
  assert.equal(view.listAhead(own).length, 1)
  scene.names = names
  assert.equal(view.listAhead(own).length, 2)
  assert.equal(scene.looks, 2)
})

test('a waiter takes an entry with a connected member for a ticket until somebody checks it', () => {
  const scene = new Scene([{ ...entryOf(EXCLUSIVE), isForeign: true }, entryOf(EXCLUSIVE)])
  const own = scene.own(1, { wait: true })
  const view = scene.view(own)
  const listed = view.listAhead(own)
  assert.deepEqual([listed.length, scene.looks], [2, 0])
  assert.equal(view.lookAt(listed[0]!), true)
  assert.equal(view.listAhead(own).length, 1)
  assert.equal(scene.looks, 1)
})

test('a mark counts for a ticket that was found dead, however many listings ago it was checked', () => {
  const scene = new Scene([{ ...entryOf(EXCLUSIVE), isDead: true }, entryOf(EXCLUSIVE)])
  const own = scene.own(1)
  const view = scene.view(own)
  const { name } = scene.tickets[0]!
  scene.names = [...scene.names, name + DOWNGRADED].sort()
  assert.deepEqual(view.listAhead(own), [own])
  assert.equal(view.dead.get(name)!.claim, SHARED)
})

/** A directory in memory. */
class Scene {
  names: string[]
  readonly tickets: readonly (TicketName & { readonly name: string })[]
  /** How often somebody looked whether a name leads to a socket. */
  looks = 0
  readonly #entries: readonly Entry[]

  constructor(entries: readonly Entry[], isNamed = false) {
    this.#entries = entries
    this.tickets = entries.map(({ claim }, place) => ticketAt(place, claim))
    const names = entries.flatMap(({ longer }, place) => namesOf(this.tickets[place]!.name, longer))
    // In the directory of a named lock there is nothing else.
    this.names = (isNamed ? names : ['.members', 'core', 'lock-w', ...names]).sort()
  }

  own(place: number, request: Partial<OwnTicket['request']> = {}): OwnTicket {
    const ticket = this.tickets[place]!
    return new OwnTicket(ticket, {} as Member, request as OwnTicket['request'])
  }

  view(own: OwnTicket | undefined): QueueView {
    const directory = {
      path: 'somewhere',
      names: () => this.names,
      isDowngraded: () => true,
      isForeign: (name: string) => {
        this.looks += 1
        return this.#entryOf(name).isForeign
      },
    }
    const view = new QueueView(
      directory as unknown as QueueDirectory,
      new Map(own === undefined ? [] : [[own.id, own]]),
      (ticket) => ticket.id === own?.id || this.#entryOf(ticket.name).isReached,
    )
    for (const ticket of this.#listed(view)) if (this.#isDead(ticket, own)) view.dead.set(ticket.name, ticket)
    return view
  }

  /** The whole listing, but for the dead and what is no socket, made without the view. */
  whole(own: OwnTicket): ListedTicket[] {
    const isLive = (ticket: ListedTicket): boolean => ticket.id === own.id || this.#entryOf(ticket.name).isReached
    return this.#listed({ isLive }).filter(
      (ticket) => ticket.id === own.id || !(this.#entryOf(ticket.name).isForeign || this.#isDead(ticket, own)),
    )
  }

  #listed(witness: { isLive(ticket: ListedTicket): boolean }): ListedTicket[] {
    return this.tickets.map((parsed) => new ListedTicket(parsed.name, parsed, witness))
  }

  #isDead({ id, name }: ListedTicket, own: OwnTicket | undefined): boolean {
    return id !== own?.id && this.#entryOf(name).isDead
  }

  #entryOf(name: string): Entry {
    return this.#entries[this.tickets.findIndex((ticket) => ticket.name === name)]!
  }
}

function ticketAt(place: number, claim: Claim): TicketName & { readonly name: string } {
  const [number, member] = [String(place).padStart(19, '0'), 'k3j9d8f7a6s5']
  const parsed = { id: ticketId(number, member), number, claim, pid: 4711, member, kernel: '9b4128cb' }
  return { ...parsed, name: formatTicketName(parsed) }
}

function namesOf(ticket: string, longer: readonly string[]): string[] {
  return [ticket, ...longer.map((suffix) => ticket + suffix)]
}

function namesIn(turn: ReturnType<typeof decideTurn<ListedTicket>>): string[] {
  if (turn.kind === 'mismatch') return [turn.with.name]
  return turn.kind === 'blocked' ? turn.on.map(nameOf) : []
}

function nameOf({ name }: ListedTicket): string {
  return name
}

function entryOf(claim: Claim): Entry {
  return { claim, isDead: false, isForeign: false, isReached: true, longer: [] }
}

function sometimes(): fc.Arbitrary<boolean> {
  return fc.integer({ min: 0, max: 4 }).map((number) => number === 0)
}
