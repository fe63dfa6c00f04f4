/**
 * The queue of one lock on Windows, as one process (or worker thread) takes part in it.
 *
 * The rules are those of Linux (docs/algorithm.md, and "Rules" in model/README.md, whose numbers are cited here): a ticket is a name in
 * the lock's directory, which sorts in the order of the queue. What differs:
 *
 *  - A ticket is a file that its owner has open without sharing, deleted on close. So the dead leave nothing, and EBUSY shows that a ticket lives.
 *  - A ticket whose turn has come opens the guard as well (guard.ts), and holds once it has it. So exclusion needs no listing, and no rule of the queue.
 *  - Those who wait are woken by named pipes (bell.ts). A pipe proves nothing.
 */
import fs from 'node:fs'
import type { Cancellation } from '../../../requests/cancellation.ts'
import { isExiting } from '../../../requests/exiting.ts'
import { isOutOfDescriptors, makeRoom } from '../../../requests/idle.ts'
import type { EnqueueRequest, GrantFacts, Stealing, TicketQueue } from '../../../requests/ticket-queue.ts'
import type { Claim } from '../../../core/claim.ts'
import { EXCLUSIVE } from '../../../core/claim.ts'
import { splitByTurn } from '../../../core/standing.ts'
import type { Ticket } from '../../../core/ticket.ts'
import { decideTurn } from '../../../core/turn.ts'
import { debug } from '../../../debug.ts'
import { SlocketError, systemCode } from '../../../errors.ts'
import { TicketWatch } from '../members/ticket-watch.ts'
import { formatParty } from '../party-json.ts'
import type { LockHandle } from '../lock-handle.ts'
import { clockNumber, nextNumber } from '../platform/kernel.ts'
import { THIEVES_END, thiefNumber } from '../names/thief-number.ts'
import { sleepFor } from '../sleep-for.ts'
import { formatTicketName, NUMBER_DIGITS, NUMBERS_END, ticketId } from '../ticket-name.ts'
import { monotonicNowMs, monotonicNowNs, setImmediate } from '../../../real-time.ts'
import type { WindowsDirectory } from './directory.ts'
import { DirectoryDenied } from './guard.ts'
import { Notifier } from './notifier.ts'
import { ObstacleWait } from './obstacle-wait.ts'
import type { Presence, PresentQueue } from './presence.ts'
import type { ListedTicket, MadeTicket } from './ticket.ts'
import { formatFlags, GuardBarrier, OwnTicket } from './ticket.ts'
import { refuseOtherNumber, refuseSeveralPermits } from './unsupported.ts'
import { QueueView } from './view.ts'

/** How long to wait at most before another look by the clock, in ms. */
const SLOWEST_LOOK_MS = 50
/** How long the directory may refuse what it has to allow before that is an error, in ms: it may be about to vanish, or be looked at by a scanner. */
const DENIED_MS = 1000
/** How often it is looked at most whether nobody else is there, before that is tidied, 1 ms apart. */
const MOST_TIDY_LOOKS = 30
/** The longest random pause before joining again, in ms; the first ones are shorter. */
const LONGEST_PAUSE_MS = 16

export class WindowsQueue implements TicketQueue<OwnTicket, Ticket>, PresentQueue {
  /** Own tickets in the directory, by id. */
  readonly own: Map<string, OwnTicket> = new Map()
  readonly #directory: WindowsDirectory
  readonly #presence: Presence
  readonly #view: QueueView
  readonly #notifier: Notifier
  readonly #watch = new TicketWatch()
  readonly stealing: Stealing<OwnTicket> | undefined
  /** Of a named lock. */
  readonly #name: string | undefined
  /** The highest number that was seen or given out here. */
  #highestNumber = '0'.repeat(NUMBER_DIGITS)
  #lastToken = 0n

  /** @param name that of a named lock, which can be stolen. */
  constructor(directory: WindowsDirectory, presence: Presence, name?: string) {
    this.#directory = directory
    this.#name = name
    if (name !== undefined) {
      this.stealing = {
        // It has the guard.
        becomeHolder: () => true,
        isHolder: (own) => this.isHeld(own),
        // Whoever waits by the ticket of a robbed holder keeps its place.
        setCrowded: (own) => !own.isOver,
      }
    }
    this.#presence = presence
    this.#view = new QueueView(directory, this.own)
    this.#notifier = new Notifier(this.#view, this.own, () => presence.bell)
  }

  get size(): number {
    return this.own.size
  }

  enqueue(request: EnqueueRequest): OwnTicket | Promise<OwnTicket | null> {
    refuseSeveralPermits(request.claim)
    return this.#joinOnce(request) ?? this.#joinSlowly(request)
  }

  joinIfFree(request: EnqueueRequest): OwnTicket | undefined {
    refuseSeveralPermits(request.claim)
    if (isExiting()) return undefined
    let own: OwnTicket | undefined
    try {
      if (this.#isEmpty() && this.#open() === 'open') own = this.#joinOnce(request)
      if (own !== undefined && decideTurn(own, this.list(own)).kind === 'held') return own
    } catch (error) {
      if (own !== undefined) this.withdraw(own)
      if (!(error instanceof DirectoryDenied) && !isOutOfDescriptors(error)) throw error
      return undefined
    } finally {
      if (own === undefined) this.#presence.onLeft(request.lingerMs)
    }
    if (own !== undefined) this.withdraw(own)
    return undefined
  }

  /** The tickets that decide the turn of `own`; and once that has come, but the guard is open elsewhere, what stands for the guard. */
  list(own: OwnTicket): readonly Ticket[] {
    let listing = own.joinListing
    own.joinListing = undefined
    if (listing === undefined) {
      own.startLook()
      this.#view.list()
      listing = this.#view.ahead(own)
    }
    refuseOtherNumber(own, listing)
    if (own.hold !== undefined || decideTurn(own, listing).kind !== 'held') return listing
    own.hold = this.#takeGuard(own)
    if (own.hold !== undefined) {
      own.barrier = undefined
      return listing
    }
    own.barrier ??= new GuardBarrier(own.claim)
    return [...own.barrier.asTickets(), ...listing]
  }

  isLast(own: OwnTicket): boolean {
    return this.areLast([own])
  }

  areLast(own: readonly OwnTicket[]): boolean {
    this.#view.list()
    return this.#view.endsWith(own)
  }

  /** W: looks at those waited for, has them know of this member, and sleeps. Returns without sleeping if something has changed. */
  anyChange(own: OwnTicket, among: readonly Ticket[], cancellation: Cancellation): void | Promise<void> {
    if (own.barrier !== undefined && among.includes(own.barrier)) {
      return own.sleep(own.request.wait ? own.nextLookMs(SLOWEST_LOOK_MS) : 1, cancellation)
    }
    // One that tidies stands for several permits.
    const tickets = new Set(among as readonly ListedTicket[])
    let isCertain = true
    for (const ticket of tickets) {
      if (this.#isOwn(ticket)) continue
      const found = this.#view.lookAt(ticket)
      if (found === 'gone' || found === 'vanishing' || this.#view.dead.has(ticket.name)) return this.#onEnded(ticket)
      if (found === 'closed' || !this.#makeKnown(ticket.member)) isCertain = false
    }
    // A permit that is free waits for proof that those ahead live: there is that now.
    if (own.claim.kind === 'permit' && decideTurn(own, this.#view.ahead(own)).kind === 'held') return undefined
    // A try looks until it is certain, which is a matter of milliseconds: nobody wakes it.
    if (!own.request.wait) return own.sleep(1, cancellation)
    if (!isCertain) return own.sleep(own.nextLookMs(SLOWEST_LOOK_MS), cancellation)
    return own.sleepUntilWoken(() => this.#wakeIfChanged(own, tickets), cancellation)
  }

  granted(own: OwnTicket): GrantFacts {
    own.isHeld = true
    this.#watch.start(this.#watched, true)
    const { hold } = own
    if (hold === undefined)
      throw new SlocketError('ERR_SLOCKET_SYSTEM', 'the guard of a ticket whose turn has come is not open')
    const hasFound = hold.grant()
    const hasDead = this.#view.dead.size > 0 && this.#removeDead(own)
    const token = hold.record.bootNs + monotonicNowNs()
    this.#lastToken = token > this.#lastToken ? token : this.#lastToken + 1n
    return { token: this.#lastToken, recovered: this.#name === undefined && (hasFound || hasDead) }
  }

  isHeld(own: OwnTicket): boolean {
    return own.isHeld && !this.#isLost(own)
  }

  isWanted(own: OwnTicket): boolean {
    this.#view.list()
    // One that is joining may withdraw in a moment.
    return splitByTurn(this.#view.all()).pending.some((ticket) => ticket.id !== own.id && !ticket.joining)
  }

  withdraw(own: OwnTicket): void {
    if (own.isOver) return
    own.isOver = true
    this.own.delete(own.id)
    this.#close(own)
    this.#notifier.onDeparture({ name: own.name, claim: own.claim, hasHeld: own.isHeld })
    this.#presence.onLeft(own.request.lingerMs)
  }

  leave(): void {
    for (const own of this.own.values()) if (!own.isHeld || own.request.isKept === true) this.withdraw(own)
  }

  /** What keeps the ticket `own`, which holds, and its guards. See {@link LockHandle}. */
  handleOf(own: OwnTicket): LockHandle {
    return {
      descriptors: [own.descriptor, ...(own.hold?.descriptors ?? [])],
      close: () => Promise.resolve(this.#leaveToOthers(own)),
    }
  }

  /** Closes the ticket. If another process has it open still, the guards too: the lock is held by that process from then on. */
  #leaveToOthers(own: OwnTicket): boolean {
    this.#closeTicket(own)
    if (this.#directory.probe(own.name) !== 'open') return false
    own.isOver = true
    this.own.delete(own.id)
    own.hold?.abandon()
    return true
  }

  /**
   * Removes the guards, and the directory, if nobody else is here. It joins the queue for that: so whoever comes meanwhile stands behind it, and
   * what a guard keeps is not lost.
   */
  tidy(): void {
    try {
      this.#tidy()
    } catch (error) {
      // What is left is for the next user of the lock to remove.
      debug('%s: cannot be tidied: %s', this.#directory.path, error)
    }
  }

  onWake(id: string): void {
    const own = this.own.get(id)
    own?.wake()
    if (own !== undefined) this.#isLost(own)
  }

  onConnected(): void {
    this.#wakeOwn()
  }

  onDisconnected(): void {
    this.#wakeOwn()
    this.#notifier.repeat()
  }

  describe(): string {
    return formatParty(this.own.values())
  }

  // --- J: join

  /** Undefined if it has to be tried again. */
  #joinOnce(request: EnqueueRequest): OwnTicket | undefined {
    const { bell } = this.#presence
    if (bell === undefined) return undefined
    const made = this.#makeTicket(request.claim, bell.member, request.steal ? 'stealing' : 'waiting')
    if (made === undefined) return undefined
    const own = new OwnTicket(made, request)
    this.own.set(own.id, own)
    try {
      this.#view.list()
    } catch (error) {
      this.withdraw(own)
      throw error
    }
    if (this.#view.allWithTidying().some(({ knowsMadeHere }) => knowsMadeHere)) this.#directory.guards.isMadeHere = true
    if (request.steal ? this.#view.all()[0] === own : this.#view.endsWith([own])) {
      this.#directory.keepName(this.#view.names)
      own.joinListing = this.#view.ahead(own)
      this.#watch.start(this.#watched, false)
      debug('%s: ticket %s joined', this.#directory.path, own.id)
      if (request.steal) this.#rob(own)
      return own
    }
    const last = this.#view.lastNumber()
    if (last !== undefined && last > this.#highestNumber) this.#highestNumber = last
    debug('%s: ticket %s withdraws, another one is behind it', this.#directory.path, own.id)
    this.withdraw(own)
    return undefined
  }

  /** Makes what is missing, waits until what is foreign has gone, and joins. Null as `enqueue` says. */
  async #joinSlowly(request: EnqueueRequest): Promise<OwnTicket | null> {
    let own: OwnTicket | null = null
    // Asked for by a listener for `exit`: there is no next turn of the event loop, unless the process goes on after all.
    if (isExiting()) await new Promise((resolve) => setImmediate(resolve))
    this.#presence.joining += 1
    const obstacle = new ObstacleWait(this.#directory)
    try {
      own = await this.#joinByRounds(request, obstacle)
      return own
    } finally {
      this.#presence.joining -= 1
      obstacle.stop()
      if (own === null) this.#presence.onLeft(request.lingerMs)
    }
  }

  async #joinByRounds(request: EnqueueRequest, obstacle: ObstacleWait): Promise<OwnTicket | null> {
    let deniedSinceMs: number | undefined
    // Bound: a round fails only because others have joined or left meanwhile, because something foreign is there, because what was idle in this
    // process had to make room, or for DENIED_MS.
    for (let round = 0; !request.cancellation.cancelled; round += 1) {
      try {
        if (this.#open() === 'foreign') {
          if (!request.wait) return null
          await obstacle.wait(request.cancellation)
          continue
        }
        const own = this.#joinOnce(request)
        if (own !== undefined) return own
        deniedSinceMs = undefined
      } catch (error) {
        if (error instanceof DirectoryDenied) {
          deniedSinceMs ??= monotonicNowMs()
          if (monotonicNowMs() - deniedSinceMs > DENIED_MS) throw error.cause
        } else makeRoom(error)
      }
      // Random, so that two who disturb each other do not go on doing so.
      if (round > 0) await sleepFor(Math.random() * Math.min(2 ** round, LONGEST_PAUSE_MS))
    }
    return null
  }

  /** Makes what is missing: the directory, and the bell. */
  #open(): 'open' | 'foreign' {
    return this.#presence.open()
  }

  /** Undefined if the directory is gone. */
  #makeTicket(claim: Claim, member: string, kind: 'waiting' | 'stealing' | 'tidying'): MadeTicket | undefined {
    const number = kind === 'stealing' ? this.#numberOfThief() : this.#newNumber(member)
    const id = ticketId(number, member)
    const kernel = formatFlags({ isMadeHere: this.#directory.guards.isMadeHere, tidies: kind === 'tidying' })
    const parsed = { id, number, claim, pid: process.pid, member, kernel }
    const name = formatTicketName(parsed)
    const descriptor = this.#directory.makeTicket(name)
    return descriptor === undefined ? undefined : { name, parsed, descriptor }
  }

  /** A number behind all that were seen. */
  #newNumber(member: string): string {
    const now = clockNumber()
    let number = now > this.#highestNumber ? now : nextNumber(this.#highestNumber)
    while (this.own.has(ticketId(number, member))) number = nextNumber(number)
    if (number >= NUMBERS_END) {
      this.#highestNumber = now
      throw new SlocketError(
        'ERR_SLOCKET_NOT_A_LOCK',
        `there is no place in the lock '${this.#directory.path}' behind its last ticket, which was not made by slocket; remove it`,
      )
    }
    this.#highestNumber = number
    return number
  }

  #numberOfThief(): string {
    this.#view.list()
    return thiefNumber(this.#view.all()[0]?.number)
  }

  /** A thief is in front: has all that hold look at the queue. Each would by itself, once a second. */
  #rob(thief: OwnTicket): void {
    const { held } = splitByTurn(this.#view.all().filter((ticket) => ticket !== thief))
    for (const ticket of held) {
      const own = this.own.get(ticket.id)
      if (own === undefined) this.#notifier.wake(ticket)
      else this.#isLost(own)
    }
  }

  #isEmpty(): boolean {
    this.#view.list()
    return this.#view.lastNumber() === undefined
  }

  // --- T: the guard

  /** Undefined if it is open elsewhere. */
  #takeGuard(own: OwnTicket): OwnTicket['hold'] {
    try {
      return this.#directory.guards.take(own.claim, own.name, this.#view.names)
    } catch (error) {
      // A guard that is being removed is denied for a moment.
      if (!(error instanceof DirectoryDenied)) throw error
      own.barrier ??= new GuardBarrier(own.claim)
      if (monotonicNowMs() - own.barrier.sinceMs > DENIED_MS) throw error.cause
      return undefined
    }
  }

  /** Removes the dead ahead of a ticket that holds from now on. True if one of them may have held. */
  #removeDead(own: OwnTicket): boolean {
    const { dead } = this.#view
    let isRecovered = false
    for (const ticket of dead.values()) {
      if (ticket.name > own.name) continue
      if (ticket.claim.kind !== 'shared') isRecovered = true
      // Holders who share leave it: each of them, and the next exclusive one, is told.
      if (ticket.claim.kind !== 'shared' && own.claim.kind === 'shared') continue
      this.#directory.sweep(ticket.name)
    }
    return isRecovered
  }

  // --- W: wait

  /** Nothing to wait for in this one. If the directory shows it on, look again soon, and not at once. */
  #onEnded(ticket: ListedTicket): void | Promise<void> {
    // Dead shared ones broke nothing: whoever finds one removes it.
    if (ticket.claim.kind === 'shared' && this.#view.dead.has(ticket.name)) this.#directory.sweep(ticket.name)
    return undefined
  }

  /** Whether `member` is known to know of this one. If not, a connection is on its way. */
  #makeKnown(member: string): boolean {
    const { bell } = this.#presence
    if (bell?.isKnownTo(member) === true) return true
    bell?.connect(member)
    return false
  }

  #wakeIfChanged(own: OwnTicket, among: Iterable<ListedTicket>): void {
    for (const ticket of among) {
      if (this.#isOwn(ticket)) continue
      if (this.#presence.bell?.isKnownTo(ticket.member) !== true || this.#view.lookAt(ticket) !== 'open')
        return own.wake()
    }
    if (!this.#directory.has(own.name)) own.wake()
  }

  #isOwn({ id, name }: ListedTicket): boolean {
    return this.own.get(id)?.name === name
  }

  #wakeOwn(): void {
    for (const own of this.own.values()) own.wake()
  }

  // --- R: leave

  /** The guards first: whoever sees that the ticket has gone finds them closed. */
  #close(own: OwnTicket): void {
    own.hold?.close()
    own.hold = undefined
    this.#closeTicket(own)
  }

  #closeTicket(own: OwnTicket): void {
    if (own.isClosed) return
    own.isClosed = true
    closeQuietly(own.descriptor)
  }

  #tidy(): void {
    const { bell } = this.#presence
    if (bell === undefined || !this.#isEmpty()) return
    const made = this.#makeTicket(EXCLUSIVE, bell.member, 'tidying')
    if (made === undefined) return
    let isUnused = false
    try {
      isUnused = this.#isAlone(made.name) && this.#directory.guards.remove(this.#view.names)
      if (isUnused) this.#directory.dropName()
    } finally {
      closeQuietly(made.descriptor)
      this.#notifier.onDeparture({ name: made.name, claim: EXCLUSIVE, hasHeld: false })
    }
    if (isUnused) this.#directory.removeIfEmpty()
  }

  /**
   * Whether nobody else is in the queue. Of two that tidy at the same time, the one ahead leaves it to the one behind; so that one waits for a moment.
   */
  #isAlone(ticket: string): boolean {
    for (let looks = 0; looks < MOST_TIDY_LOOKS; looks += 1) {
      this.#view.list()
      const all = this.#view.allWithTidying()
      const ahead = all.filter(({ name }) => name < ticket)
      if (ahead.length === 0) return all.length === 1
      if (!ahead.every(({ joining }) => joining)) return false
      // The process may be about to exit: it has no other turn.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1)
    }
    return false
  }

  readonly #watched = {
    own: this.own,
    lookAfterOwn: (): boolean => {
      let holds = false
      for (const own of this.own.values()) {
        if (own.isHeld) holds = true
        this.#isLost(own)
      }
      return holds
    },
  }

  #isRobbed(own: OwnTicket): boolean {
    this.#view.list()
    return this.#view.all().some((ticket) => ticket.name < own.name && isThief(ticket))
  }

  /** Whether it held, and does no longer, since it was robbed, or its ticket is gone: then it has been told. The system allows nobody to remove a ticket. */
  #isLost(own: OwnTicket): boolean {
    if (!own.isHeld || own.isOver) return false
    if (this.#name !== undefined && this.#isRobbed(own)) {
      own.isHeld = false
      own.hold?.close()
      own.hold = undefined
      own.request.onStolen(new SlocketError('ERR_SLOCKET_LOST', `the lock '${this.#name}' was stolen`))
      return true
    }
    if (this.#directory.has(own.name)) return false
    debug('%s: ticket %s was removed from outside while it held', this.#directory.path, own.id)
    const message = `the lock '${this.#directory.path}' was lost: its ticket was removed from outside`
    own.request.onLost(new SlocketError('ERR_SLOCKET_LOST', message))
    return true
  }
}

/** A ticket with such a number is that of a thief, whatever has become of the others: thief-number.ts. */
function isThief({ number }: ListedTicket): boolean {
  return BigInt(number) < THIEVES_END
}

/** It is closed already only if the program has closed descriptors that aren't its own. */
function closeQuietly(descriptor: number): void {
  try {
    fs.closeSync(descriptor)
  } catch (error) {
    if (systemCode(error) === undefined) throw error
    debug('descriptor %d cannot be closed: %s', descriptor, error)
  }
}
