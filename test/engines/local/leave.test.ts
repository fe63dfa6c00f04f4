/** The numbers are those of the rules in model/README.md. */
import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { describe, test } from 'node:test'
import type { Claim } from '../../../src/core/claim.ts'
import { EXCLUSIVE, permitClaim, SHARED } from '../../../src/core/claim.ts'
import { QueueDirectory } from '../../../src/engines/local/directory.ts'
import type { DirectoryOptions } from '../../../src/engines/local/lock-directory.ts'
import { kernelId, nextNumber } from '../../../src/engines/local/platform/kernel.ts'
import { notifyAgain, withdraw } from '../../../src/engines/local/leave.ts'
import { LocalQueue } from '../../../src/engines/local/queue.ts'
import type { Member, Reached } from '../../../src/engines/local/members/member.ts'
import { Presence } from '../../../src/engines/local/members/presence.ts'
import { QueuesLeft, QueueState } from '../../../src/engines/local/state.ts'
import { OwnTicket } from '../../../src/engines/local/ticket.ts'
import type { TicketName } from '../../../src/engines/local/ticket-name.ts'
import { formatTicketName, NUMBER_DIGITS, ticketId } from '../../../src/engines/local/ticket-name.ts'
import type { Connection } from '../../../src/engines/local/wire/connection.ts'
import { until } from '../../helpers/until.ts'

describe('a ticket that has held leaves and notifies', () => {
  test('N2: the next ticket, skipping members without a connection here, or with one that was opened here', (context) => {
    const queue = new Queue(context)
    const own = queue.own(EXCLUSIVE, { isHeld: true })
    queue.add('a', EXCLUSIVE, 'none')
    queue.add('b', EXCLUSIVE, 'opened here')
    queue.add('c', EXCLUSIVE)
    queue.add('d', EXCLUSIVE)
    withdraw(queue.state, own)
    assert.deepEqual(queue.heard, ['c'])
    assert.equal(queue.state.pursuits, 0)
  })

  test('N2: each shared ticket up to the first exclusive one', (context) => {
    const queue = new Queue(context)
    const own = queue.own(EXCLUSIVE, { isHeld: true })
    queue.add('a', SHARED)
    queue.add('b', SHARED, 'none')
    queue.add('c', SHARED)
    queue.add('d', EXCLUSIVE)
    queue.add('e', SHARED)
    withdraw(queue.state, own)
    assert.deepEqual(queue.heard, ['a', 'c'])
  })

  test("N2: the next ticket, if an entry with a ticket's name is not one", (context) => {
    const queue = new Queue(context)
    const own = queue.own(EXCLUSIVE, { isHeld: true })
    queue.add('a', SHARED)
    queue.addForeign('a')
    queue.add('b', SHARED)
    withdraw(queue.state, own)
    assert.deepEqual(queue.heard, ['a', 'b'])
  })

  test('N2: tickets of its own process directly', (context) => {
    const queue = new Queue(context)
    const own = queue.own(EXCLUSIVE, { isHeld: true })
    const next = queue.own(EXCLUSIVE)
    queue.add('a', EXCLUSIVE)
    withdraw(queue.state, own)
    assert.deepEqual([next.isWoken, queue.heard], [true, []])
  })

  test('N2: many tickets of one member with one write', (context) => {
    const queue = new Queue(context)
    const own = queue.own(permitClaim(50), { isHeld: true })
    for (let count = 0; count < 60; count += 1) queue.add('a', permitClaim(50))
    withdraw(queue.state, own)
    assert.equal(queue.heard.length, 50)
    assert.equal(queue.writes, 1)
  })
})

describe('a ticket that has not held leaves and notifies', () => {
  test('D3: over a connection that was opened here, if the member has opened none', (context) => {
    const queue = new Queue(context)
    const own = queue.own(EXCLUSIVE)
    queue.add('a', EXCLUSIVE, 'opened here')
    queue.add('b', EXCLUSIVE)
    withdraw(queue.state, own)
    assert.deepEqual(queue.heard, ['a'])
  })

  test('D3: a member that it has to connect to first', async (context) => {
    const queue = new Queue(context)
    const own = queue.own(EXCLUSIVE)
    queue.add('a', EXCLUSIVE, 'none', 'connected')
    queue.add('b', EXCLUSIVE)
    withdraw(queue.state, own)
    assert.deepEqual(queue.heard, [])
    await queue.untilOver()
    assert.deepEqual(queue.heard, ['a'])
  })

  test('D4: the ticket behind a dead one', async (context) => {
    const queue = new Queue(context)
    const own = queue.own(EXCLUSIVE)
    queue.add('a', EXCLUSIVE, 'none', 'refused')
    queue.add('b', EXCLUSIVE)
    withdraw(queue.state, own)
    await queue.untilOver()
    assert.deepEqual(queue.heard, ['b'])
  })

  test('D4: the ticket behind one that has gone meanwhile', async (context) => {
    const queue = new Queue(context)
    const own = queue.own(EXCLUSIVE)
    const gone = queue.add('a', EXCLUSIVE, 'none', 'gone')
    queue.onConnect = () => queue.remove(gone)
    queue.add('b', EXCLUSIVE)
    withdraw(queue.state, own)
    await queue.untilOver()
    assert.deepEqual(queue.heard, ['b'])
  })

  test('D5: a member that cannot be connected to yet, as soon as it can; and every shared ticket', async (context) => {
    const queue = new Queue(context)
    const own = queue.own(EXCLUSIVE)
    queue.add('a', SHARED, 'none', 'busy', 'broken', 'connected')
    queue.add('b', SHARED, 'none', 'connected')
    withdraw(queue.state, own)
    await queue.untilOver()
    assert.ok(queue.heard.includes('a') && queue.heard.includes('b'), queue.heard.join())
  })

  test('D5: nobody any more once its member has closed its connections', async (context) => {
    const queue = new Queue(context)
    const own = queue.own(EXCLUSIVE)
    queue.add('a', EXCLUSIVE, 'none', 'busy', 'connected')
    queue.onConnect = () => (queue.member.isClosed = true)
    withdraw(queue.state, own)
    await queue.untilOver()
    assert.deepEqual(queue.heard, [])
  })
})

describe('the end of a connection', () => {
  test('P2: repeats the notification, for the tickets that are behind by then', (context) => {
    const queue = new Queue(context)
    const own = queue.own(EXCLUSIVE, { isHeld: true })
    const first = queue.add('a', EXCLUSIVE)
    queue.add('b', EXCLUSIVE)
    withdraw(queue.state, own)
    queue.remove(first)
    notifyAgain(queue.state.left)
    assert.deepEqual(queue.heard, ['a', 'b'])
  })

  test('P2: a queue repeats it when it notices the end', (context) => {
    const queue = new Queue(context)
    const own = queue.own(EXCLUSIVE, { isHeld: true })
    const first = queue.add('a', EXCLUSIVE)
    queue.add('b', EXCLUSIVE)
    const local = new LocalQueue(queue.state)
    local.withdraw(own)
    queue.remove(first)
    local.onDisconnected('a')
    assert.deepEqual(queue.heard, ['a', 'b'])
  })

  test('P1: repeats nothing if all tickets that were behind have left, even if others have come', (context) => {
    const queue = new Queue(context)
    const own = queue.own(EXCLUSIVE, { isHeld: true })
    const first = queue.add('a', EXCLUSIVE)
    withdraw(queue.state, own)
    queue.remove(first)
    queue.add('b', EXCLUSIVE)
    notifyAgain(queue.state.left)
    assert.deepEqual(queue.heard, ['a'])
    assert.deepEqual([queue.state.departed.length, queue.state.left.size], [0, 0])
  })

  test('P1: few records are kept, however many tickets leave', (context) => {
    const queue = new Queue(context)
    for (let count = 0; count < 1000; count += 1) {
      const own = queue.own(EXCLUSIVE, { isHeld: true })
      const next = queue.add('a', EXCLUSIVE)
      withdraw(queue.state, own)
      queue.remove(next)
      assert.ok(queue.state.departed.length <= 1)
    }
  })

  test("P1: few records are kept, whatever is behind the tickets: a file, a file with a ticket's name, a dead ticket", (context) => {
    const queue = new Queue(context)
    const last = queue.nameOf('9'.padStart(NUMBER_DIGITS, '8'), 'y')
    for (const name of ['zzz', `${last}-r`]) queue.addName(name)
    queue.addForeign('x', '8'.repeat(NUMBER_DIGITS))
    queue.addName(last)
    queue.state.view.list()
    const dead = queue.state.view.all().find(({ name }) => name === last)!
    queue.state.view.dead.set(last, dead)
    for (let count = 0; count < 100; count += 1) {
      const own = queue.own(EXCLUSIVE, { isHeld: true })
      const next = queue.add('a', EXCLUSIVE)
      withdraw(queue.state, own)
      queue.remove(next)
      assert.ok(queue.state.departed.length <= 1, `${queue.state.departed.length} are remembered`)
    }
  })

  test('P2: notifies each ticket once, however many have left ahead of it, and connects to none twice at the same time', async (context) => {
    const queue = new Queue(context)
    const departed = [1, 2, 3].map(() => queue.own(EXCLUSIVE))
    queue.add('a', EXCLUSIVE, 'none', 'busy', 'busy', 'connected')
    for (const own of departed) withdraw(queue.state, own)
    notifyAgain(queue.state.left)
    const { pursuits } = queue.state
    assert.ok(pursuits <= departed.length)
    for (let count = 0; count < 10; count += 1) notifyAgain(queue.state.left)
    assert.equal(queue.state.pursuits, pursuits)
    await queue.untilOver()
    const before = queue.heard.length
    notifyAgain(queue.state.left)
    assert.equal(queue.heard.length, before + 1)
  })

  test('P1: of many queues of one presence, each used once, it keeps those in which a ticket is still behind', (context) => {
    const left = new QueuesLeft()
    const standing = new Queue(context, left)
    const first = standing.own(EXCLUSIVE, { isHeld: true })
    standing.add('a', EXCLUSIVE)
    withdraw(standing.state, first)
    for (let count = 0; count < 300; count += 1) {
      const queue = new Queue(context, left)
      const own = queue.own(EXCLUSIVE, { isHeld: true })
      const next = queue.add('a', EXCLUSIVE)
      withdraw(queue.state, own)
      queue.remove(next)
      assert.ok(left.size <= 70, `${left.size} are remembered`)
    }
    assert.ok(left.has(standing.state))
  })
})

type Link = 'from there' | 'opened here' | 'none'

test('beside proper-lockfile, a socket stays for a moment after a release only while others keep the directory', (context) => {
  for (const [options, areOthers, expected] of [
    [{ mkdirStaleMs: 10_000 }, true, 20],
    [{ mkdirStaleMs: 10_000 }, false, 0],
    [{}, true, 0],
  ] as const) {
    const queue = new Queue(context, undefined, options)
    const own = queue.own(EXCLUSIVE, { isHeld: true })
    if (areOthers) queue.add('a', EXCLUSIVE)
    withdraw(queue.state, own)
    assert.deepEqual(queue.lingers, [expected])
  }
})

/** A queue of tickets, and connections to their members, named by a letter each, that only note what is sent. */
class Queue {
  readonly state: QueueState
  /** Who was notified, each time. */
  readonly heard: string[] = []
  writes = 0
  /** How long the member stays after its last ticket, each time that one has left. */
  readonly lingers: number[] = []
  onConnect: () => void = () => {}
  readonly member: { isClosed: boolean; connect: Member['connect'] }
  readonly #names = new Set<string>()
  readonly #foreign = new Set<string>()
  readonly #connections = new Map<string, Connection>()
  readonly #outcomes = new Map<string, Reached[]>()
  #number = nextNumber('0'.repeat(NUMBER_DIGITS))

  constructor(context: TestContext, left?: QueuesLeft, options?: DirectoryOptions) {
    const directory = new QueueDirectory('/nowhere', options)
    context.mock.method(directory, 'isForeign', (name: string) => this.#foreign.has(name))
    context.mock.method(directory, 'names', () => [...this.#names].sort())
    context.mock.method(directory, 'unlink', (name: string) => this.#names.delete(name))
    const presence = new Presence(directory, { onPresent: () => {}, onAway: () => {} })
    const withLetter = (member: string): Connection[] => [this.#connections.get(member[0]!) ?? []].flat()
    context.mock.getter(presence.members, 'hasConnections', () => true)
    context.mock.method(presence.members, 'connectionsTo', withLetter)
    context.mock.method(presence.members, 'hasConnectionFrom', (member: string) =>
      withLetter(member).some(({ isOpenedHere }) => !isOpenedHere),
    )
    context.mock.method(presence.members, 'connectionOpenedTo', (member: string) =>
      withLetter(member).find(({ isOpenedHere }) => isOpenedHere),
    )
    context.mock.method(presence, 'onLeft', (lingerMs: number) => this.lingers.push(lingerMs))
    this.member = { isClosed: false, connect: async (_address, peer) => this.#connect(peer[0]!) }
    this.state = new QueueState(directory, presence, new Map(), left)
  }

  /** A ticket of the process whose queue this is. */
  own(claim: Claim, { isHeld = false } = {}): OwnTicket {
    const parsed = this.#next('z', claim)
    const request = { lingerMs: 0, wait: true } as OwnTicket['request']
    const own = new OwnTicket(parsed, this.member as Member, request)
    own.isHeld = isHeld
    this.#names.add(own.name)
    this.state.own.set(own.id, own)
    return own
  }

  /** Somebody else's ticket: its name. `outcomes` are those of connecting to it, the last one again and again. */
  add(letter: string, claim: Claim, link: Link = 'from there', ...outcomes: Reached[]): string {
    const name = formatTicketName(this.#next(letter, claim))
    this.#names.add(name)
    this.#outcomes.set(letter, outcomes)
    if (link !== 'none') this.#open(letter, link)
    return name
  }

  /** Something else by the name of a ticket. */
  addForeign(letter: string, number?: string): void {
    const name = number === undefined ? formatTicketName(this.#next(letter, EXCLUSIVE)) : this.nameOf(number, letter)
    this.#names.add(name)
    this.#foreign.add(name)
  }

  addName(name: string): void {
    this.#names.add(name)
  }

  nameOf(number: string, letter: string): string {
    return formatTicketName(ticketOf(number, letter, EXCLUSIVE))
  }

  remove(ticket: string): void {
    this.#names.delete(ticket)
  }

  async untilOver(): Promise<void> {
    await until('all have been notified', () => this.state.pursuits === 0)
  }

  #connect(letter: string): Reached {
    this.onConnect()
    const outcomes = this.#outcomes.get(letter)!
    const outcome = outcomes.length > 1 ? outcomes.shift()! : outcomes[0]!
    if (outcome === 'connected') this.#open(letter, 'opened here')
    return outcome
  }

  #open(letter: string, link: Link): void {
    const send = (frames: string): boolean => {
      this.writes += 1
      for (const line of frames.trimEnd().split('\n')) {
        assert.match(line, /^wake /)
        this.heard.push(letter)
      }
      return true
    }
    this.#connections.set(letter, { isOpenedHere: link === 'opened here', send } as Connection)
  }

  #next(letter: string, claim: Claim): TicketName {
    this.#number = nextNumber(this.#number)
    return ticketOf(this.#number, letter, claim)
  }
}

function ticketOf(number: string, letter: string, claim: Claim): TicketName {
  const member = letter.repeat(12)
  return { id: ticketId(number, member), number, claim, pid: 1, member, kernel: kernelId() }
}
