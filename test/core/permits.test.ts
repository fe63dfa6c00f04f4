/** Random queues of permits, with everything that happens around them, by the rules of the local engine: a ticket that leaves wakes its successors. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { PermitClaim } from '../../src/core/claim.ts'
import { permitClaim } from '../../src/core/claim.ts'
import { splitByTurn } from '../../src/core/standing.ts'
import { successorsOf } from '../../src/core/successors.ts'
import type { Ticket } from '../../src/core/ticket.ts'
import { decideTurn } from '../../src/core/turn.ts'
import { Random } from '../../src/testing/random.ts'
import { holdersByBruteForce, mayJoin } from './queues.ts'

const PROGRAMS = 3000
const STEPS = 60

describe('random queues of requests for several permits, with different numbers', () => {
  test('never exceed a number, never overtake, and forget nobody', () => {
    const seen = new Map<string, number>()
    for (let seed = 0; seed < PROGRAMS; seed += 1) {
      const program = new Program(seed)
      for (let step = 0; step < STEPS; step += 1) program.step()
      program.settle()
      for (const [what, count] of program.seen) seen.set(what, (seen.get(what) ?? 0) + count)
    }
    // Each of these has to happen, or the test shows nothing.
    for (const what of ['grant', 'release', 'withdrawal', 'death', 'waiting for another one']) {
      assert.ok((seen.get(what) ?? 0) > PROGRAMS / 10, what)
    }
  })
})

interface Player extends Ticket {
  readonly claim: PermitClaim
  /** What the queue is ordered by. */
  readonly number: number
  /** It is ahead of a ticket that was there before, and will see that and withdraw. */
  readonly isGhost: boolean
  isHolder: boolean
  /** Whether it is about to look at the queue. */
  isWoken: boolean
  /** Those to which it has opened a connection. */
  readonly reached: Set<Player>
}

/** One queue, and all who stand in it. A step of theirs may be late by any number of steps of others. */
class Program {
  readonly seen = new Map<string, number>()
  readonly #random: Random
  readonly #seed: number
  readonly #largest: number
  readonly #departed: Player[] = []
  #queue: Player[] = []
  #count = 0

  constructor(seed: number) {
    this.#seed = seed
    this.#random = new Random(seed)
    this.#largest = 1 + this.#random.below(6)
  }

  step(): void {
    const random = this.#random
    const woken = this.#queue.filter(({ isWoken, isGhost }) => isWoken && !isGhost)
    const holders = this.#queue.filter(({ isHolder }) => isHolder)
    if (woken.length > 0 && random.chance(0.5)) return this.#look(random.pick(woken))
    if (holders.length > 0 && random.chance(0.4)) return this.#leave(random.pick(holders), 'release')
    if (this.#queue.length > 0 && random.chance(0.1)) return this.#die(random.pick(this.#queue))
    if (this.#queue.length > 0 && random.chance(0.2)) {
      const one = random.pick(this.#queue)
      return this.#leave(one, one.isHolder ? 'release' : 'withdrawal')
    }
    if (this.#queue.length < 8) this.#join()
  }

  /** Lets every ticket with a pending check list the queue: then all whose turn it is hold. */
  settle(): void {
    for (;;) {
      const next = this.#queue.find(({ isWoken, isGhost }) => isWoken || isGhost)
      if (next === undefined) break
      if (next.isGhost) this.#leave(next, 'withdrawal')
      else this.#look(next)
    }
    const holders = this.#queue.filter(({ isHolder }) => isHolder)
    assert.deepEqual(holders.map(idOf), holdersByBruteForce(this.#queue).map(idOf), this.#describe('forgotten'))
    assert.deepEqual(splitByTurn(this.#queue).held.map(idOf), holders.map(idOf), this.#describe('shown'))
  }

  #join(): void {
    const random = this.#random
    this.#count += 1
    const permits = 1 + random.below(this.#largest)
    const isGhost = this.#queue.length > 0 && random.chance(0.15)
    const place = isGhost ? random.below(this.#queue.length) : this.#queue.length
    const player: Player = {
      id: `${this.#count}`,
      claim: permitClaim(permits, 1 + random.below(permits)),
      number: isGhost ? this.#queue[place]!.number - 1 / (1 + this.#count) : this.#count,
      live: true,
      joining: false,
      isGhost,
      isHolder: false,
      isWoken: !isGhost,
      reached: new Set(),
    }
    this.#queue.splice(place, 0, player)
    this.#queue.sort((a, b) => a.number - b.number)
  }

  #look(own: Player): void {
    own.isWoken = false
    const turn = decideTurn(own, this.#queue)
    switch (turn.kind) {
      case 'held': {
        const ahead = this.#queue.slice(0, this.#queue.indexOf(own))
        assert.ok(mayJoin(ahead.map(claimOf), own.claim), this.#describe(`${own.id} is granted`))
        assert.deepEqual(
          holdersByBruteForce(ahead).map(idOf),
          ahead.map(idOf),
          this.#describe(`${own.id} overtakes one that waits`),
        )
        own.isHolder = true
        return this.#note('grant')
      }
      case 'blocked': {
        if (mayJoin(this.#queue.slice(0, this.#queue.indexOf(own)).map(claimOf), own.claim)) {
          this.#note('waiting for another one')
        }
        // A ticket that has to connect first lists again after that.
        if (turn.on.some((other) => !own.reached.has(other))) own.isWoken = true
        for (const other of turn.on) own.reached.add(other)
        return
      }
      case 'mismatch':
      case 'missing':
        assert.fail(this.#describe(turn.kind))
    }
  }

  #leave(departed: Player, how: string): void {
    this.#note(how)
    this.#remove(departed)
    this.#departed.push(departed)
    this.#notify(departed)
  }

  /** A ticket that has held notifies those that have connected to it; any other ticket notifies all. */
  #notify(departed: Player): void {
    const { claim, isHolder, number } = departed
    const tellable = this.#queue.filter((other) => other.number > number && (!isHolder || other.reached.has(departed)))
    for (const successor of successorsOf(claim, tellable)) successor.isWoken = true
  }

  /** All that have a connection to it see its end, and departed tickets notify again, since the dead one may have been the one that was notified. */
  #die(dead: Player): void {
    this.#note('death')
    this.#remove(dead)
    for (const other of this.#queue) if (other.reached.has(dead)) other.isWoken = true
    for (const departed of this.#departed) this.#notify(departed)
  }

  #remove(player: Player): void {
    this.#queue = this.#queue.filter((other) => other !== player)
  }

  #note(what: string): void {
    this.seen.set(what, (this.seen.get(what) ?? 0) + 1)
  }

  #describe(what: string): string {
    const queue = this.#queue.map(({ id, claim, isHolder, isWoken }) => {
      return `${id}: ${claim.take} of ${claim.permits}${isHolder ? ', holds' : ''}${isWoken ? ', woken' : ''}`
    })
    return `${what}, by seed ${this.#seed}, in [${queue.join(' | ')}]`
  }
}

function idOf({ id }: Ticket): string {
  return id
}

function claimOf({ claim }: Player): PermitClaim {
  return claim
}
