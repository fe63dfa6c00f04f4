import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { describe, test } from 'node:test'
import type { Claim } from '../../../src/core/claim.ts'
import { EXCLUSIVE, permitClaim, SHARED } from '../../../src/core/claim.ts'
import type { Connection, Departed } from '../../../src/engines/local/wire/connection.ts'
import { FEW_TOLD } from '../../../src/engines/local/wire/connection.ts'
import { QueueDirectory } from '../../../src/engines/local/directory.ts'
import { kernelId, nextNumber } from '../../../src/engines/local/platform/kernel.ts'
import { tellSuccessorsOf } from '../../../src/engines/local/leave.ts'
import { Presence } from '../../../src/engines/local/members/presence.ts'
import { QueueState } from '../../../src/engines/local/state.ts'
import { formatTicketName, markOf, NUMBER_DIGITS, ticketId } from '../../../src/engines/local/ticket-name.ts'

describe('who is told when a ticket leaves', () => {
  test('the next one, where the first has died and only the failing write shows it', (context) => {
    const queue = new Queue(context)
    queue.add('a', { claim: EXCLUSIVE, isDeaf: true })
    queue.add('b', { claim: EXCLUSIVE })
    queue.add('c', { claim: EXCLUSIVE })
    tellSuccessorsOf(queue.state, queue.departed)
    assert.deepEqual(queue.heard, ['b: wake'])
  })

  test('each of those who share once, though one among them has died', (context) => {
    const queue = new Queue(context)
    queue.add('a', { claim: SHARED })
    queue.add('b', { claim: SHARED, isDeaf: true })
    queue.add('c', { claim: SHARED })
    queue.add('d', { claim: EXCLUSIVE })
    tellSuccessorsOf(queue.state, queue.departed)
    assert.deepEqual(queue.heard, ['a: wake', 'c: wake'])
  })

  test('the next one, where what stands there by the name of a ticket is none', (context) => {
    const queue = new Queue(context)
    queue.add('a', { claim: SHARED })
    queue.add('a', { claim: EXCLUSIVE, isForeign: true })
    queue.add('b', { claim: SHARED })
    tellSuccessorsOf(queue.state, queue.departed)
    assert.deepEqual(queue.heard, ['a: wake', 'b: wake'])
  })

  test('the next one that waits, where one before it is only joining and may withdraw', (context) => {
    const queue = new Queue(context)
    queue.add('a', { claim: EXCLUSIVE, isJoining: true })
    queue.add('b', { claim: EXCLUSIVE })
    tellSuccessorsOf(queue.state, queue.departed)
    assert.deepEqual(queue.heard, ['b: wake'])
  })

  test('nobody, where all have died', (context) => {
    const queue = new Queue(context)
    queue.add('a', { claim: EXCLUSIVE, isDeaf: true })
    queue.add('b', { claim: SHARED, isDeaf: true })
    tellSuccessorsOf(queue.state, queue.departed)
    assert.deepEqual(queue.heard, [])
  })

  test('many are told of many departures with as little work as there are tickets', (context) => {
    const queue = new Queue(context)
    const permits = 50
    for (let count = 0; count < permits; count += 1) queue.add('a', { claim: permitClaim(permits) })
    const shows = context.mock.method(queue.state.view, 'shows')
    for (let count = 0; count < permits; count += 1) {
      tellSuccessorsOf(queue.state, { ...queue.departed, claim: permitClaim(permits) })
    }
    assert.equal(queue.heard.length, permits ** 2)
    // For each departure: once for each ticket that is known, and once for each that was told.
    assert.ok(shows.mock.callCount() <= 2 * permits ** 2, `${shows.mock.callCount()} looks`)
    assert.equal(queue.sent, permits)
  })

  test('a connection knows of each ticket that was told over it, until that has left', (context) => {
    const queue = new Queue(context)
    const first = queue.add('a', { claim: EXCLUSIVE })
    const later = { name: queue.add('b', { claim: EXCLUSIVE }), claim: EXCLUSIVE }
    const last = queue.add('a', { claim: EXCLUSIVE })
    tellSuccessorsOf(queue.state, queue.departed)
    tellSuccessorsOf(queue.state, later)
    assert.deepEqual(
      [...queue.toldTo('a')],
      [
        [first, queue.departed],
        [last, later],
      ],
    )
    queue.remove(first)
    tellSuccessorsOf(queue.state, later)
    assert.deepEqual([...queue.toldTo('a')], [[last, later]])
  })

  test('of tickets in many other queues, each used once, only those are kept that still stand', (context) => {
    const queue = new Queue(context)
    const other = new Queue(context)
    queue.add('a', { claim: EXCLUSIVE })
    const told = queue.toldTo('a')
    const standing = [other.add('b', { claim: EXCLUSIVE }), other.add('b', { claim: SHARED })]
    const departed = { ...other.departed, home: other.state }
    for (const name of standing) told.set(name, departed)
    for (let count = 0; count < 1000; count += 1) {
      const gone = other.add('b', { claim: EXCLUSIVE })
      other.remove(gone)
      told.set(gone, departed)
      tellSuccessorsOf(queue.state, queue.departed)
      assert.ok(told.size <= 100, `${told.size} are kept`)
    }
    for (const name of standing) assert.equal(told.get(name), departed)
    assert.ok(other.looks < 4000, `${other.looks} looks`)
  })
})

interface Behind {
  readonly claim: Claim
  /** Whether a write to it fails. */
  readonly isDeaf?: boolean
  /** Whether it is no socket. */
  readonly isForeign?: boolean
  /** Whether it has no mark yet. */
  readonly isJoining?: boolean
}

/** A queue of tickets, most of them marked, and connections to their members that do nothing. A member is named by one letter. */
class Queue {
  readonly state: QueueState
  readonly departed: Departed
  /** What arrived, each with the member that it was sent to. */
  readonly heard: string[] = []
  /** How many writes that took. */
  sent = 0
  /** How often somebody looked whether a ticket is there. */
  looks = 0
  readonly #tickets = new Set<string>()
  readonly #foreign = new Set<string>()
  readonly #joining = new Set<string>()
  readonly #connections = new Map<string, Connection>()
  #number = nextNumber('0'.repeat(NUMBER_DIGITS))

  constructor(context: TestContext) {
    const directory = new QueueDirectory('/nowhere')
    context.mock.method(directory, 'isForeign', (name: string) => this.#foreign.has(name))
    context.mock.method(directory, 'has', (name: string) => {
      this.looks += 1
      return this.#tickets.has(name)
    })
    context.mock.method(directory, 'names', () =>
      [...this.#tickets].flatMap((name) => (this.#joining.has(name) ? [name] : [name, markOf(name)])),
    )
    const presence = new Presence(directory, { onPresent: () => {}, onAway: () => {} })
    context.mock.getter(presence, 'hasConnections', () => true)
    context.mock.method(presence, 'connectionsTo', (member: string) => [this.#connections.get(member[0]!)!])
    this.state = new QueueState(directory, presence)
    this.departed = { name: this.#nextName('z', EXCLUSIVE), claim: EXCLUSIVE }
  }

  /** The name of its ticket. */
  add(letter: string, { claim, isDeaf = false, isForeign = false, isJoining = false }: Behind): string {
    const name = this.#nextName(letter, claim)
    this.#tickets.add(name)
    if (isForeign) this.#foreign.add(name)
    if (isJoining) this.#joining.add(name)
    const send = (frames: string): boolean => {
      this.sent += 1
      const lines = frames.trimEnd().split('\n')
      if (!isDeaf) this.heard.push(...lines.map((line) => `${letter}: ${line.split(' ')[0]}`))
      return !isDeaf
    }
    if (!this.#connections.has(letter))
      this.#connections.set(letter, { told: new Map(), mostTold: FEW_TOLD, send } as unknown as Connection)
    return name
  }

  remove(ticket: string): void {
    this.#tickets.delete(ticket)
  }

  toldTo(letter: string): Connection['told'] {
    return this.#connections.get(letter)!.told
  }

  #nextName(letter: string, claim: Claim): string {
    this.#number = nextNumber(this.#number)
    const member = letter.repeat(12)
    const id = ticketId(this.#number, member)
    return formatTicketName({ id, number: this.#number, claim, pid: 1, member, kernel: kernelId() })
  }
}
