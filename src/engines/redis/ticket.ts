/**
 * A ticket of this process: its place in a queue on the server.
 *
 *  state   | meaning                                                  | what ends it
 *  --------+----------------------------------------------------------+----------------------------------------------
 *  joining | the server may know it                                   | an answer, or the notification of its turn
 *  waiting | it stands in the queue                                   | its turn; the end of its lease
 *  granted | the server says that it holds; it has a token            | release; a thief; the end of its lease
 *  gone    | it has left, or it was lost                              | -
 *
 * Notifications and replies come over two connections, in any order. So they move a state down this table, and a granted ticket is waiting again only if its owner
 * has noticed the grant too late, or the server has forgotten it.
 */
import type { Claim } from '../../core/claim.ts'
import type { Ticket } from '../../core/ticket.ts'
import { SlocketError } from '../../errors.ts'
import { setTimeout, clearTimeout } from '../../real-time.ts'
import type { EnqueueRequest, GrantFacts } from '../../requests/ticket-queue.ts'
import type { Reading } from '../deadline.ts'
import { Deadline } from '../deadline.ts'

const STOLEN = /^stolen (\d+)/
const HELD = /^held (\d+) ([01])/
const WAITING = /^waiting (\d+)/

export class OwnTicket {
  readonly id: string
  readonly name: string
  readonly request: EnqueueRequest
  /** Called when something has changed. */
  onWoken: (() => void) | undefined
  /** What the requests that wait by it fail with. */
  failure: unknown
  /** See `Connection.hearsSince`: when its request to join was sent. */
  hearsSince = 0
  /** The owner knows that it holds. */
  isHeld = false
  /** The owner has known at some time that it holds. */
  hasHeld = false
  /** The last grant that enough replicas have. */
  confirmed: GrantFacts | undefined
  leaving: Promise<void> | undefined
  #state: 'joining' | 'waiting' | 'granted' | 'gone' = 'joining'
  #isAnswered = false
  #facts: GrantFacts | undefined
  /** Notifications of grants up to this token are not believed: they don't concern this ticket, or no longer. */
  #lastOld = 0n
  /** The token of the last grant that a thief has taken. */
  #stolenToken: bigint | undefined
  #deadline: Deadline | undefined
  #deadlineTimer: NodeJS.Timeout | undefined

  constructor(id: string, name: string, request: EnqueueRequest) {
    this.id = id
    this.name = name
    this.request = request
  }

  get claim(): Claim {
    return this.request.claim
  }

  get facts(): GrantFacts | undefined {
    return this.#facts
  }

  /** Whether its grant was taken by a thief. */
  get isStolen(): boolean {
    return this.#facts !== undefined && this.#facts.token === this.#stolenToken
  }

  /** Undefined if it isn't gone. See join-order.ts. */
  get loss(): 'gone' | undefined {
    return this.#state === 'gone' ? 'gone' : undefined
  }

  get state(): 'joining' | 'waiting' | 'granted' | 'gone' {
    return this.#state
  }

  /** Whether its request to join was answered, and the server has it, as far as this process knows. A notification of its grant may come before the answer. */
  get hasJoined(): boolean {
    return this.#isAnswered && (this.#state === 'waiting' || this.#state === 'granted')
  }

  /** Whether it waits for its turn, or its owner has yet to notice that the turn has come. */
  get isPending(): boolean {
    return this.#state === 'waiting' || (this.#state === 'granted' && !this.isHeld)
  }

  /** Whether its lease is still sure to last. Reads the clocks. */
  get isAlive(): boolean {
    return this.#deadline !== undefined && this.#deadline.remainingMs() > 0
  }

  /** As `isAlive`, for uses that do no harm if the machine was suspended meanwhile. */
  get seemsAlive(): boolean {
    return this.#deadline?.seemsToLast() === true
  }

  /** As `checkHeld`, but the machine may have been suspended meanwhile: for uses that do no harm then. */
  seemsHeld(): boolean {
    return this.isHeld && (this.seemsAlive || this.checkHeld())
  }

  /**
   * A ticket is renewed only after the reply to its request to join, and one renewal is under way at a time. So these replies come in the order in which the server
   * acted. A notification may be older or newer than a reply.
   *
   * @param sent the clocks before the request was sent that gave or renewed the lease, and to which this is the reply.
   * @param known the `facts` at that time.
   */
  onReply(reply: string, sent: Reading, ttlMs: number, known?: GrantFacts): void {
    this.#isAnswered = true
    const deadline = new Deadline(sent, ttlMs)
    // If a request holds by it, a lease that has run out stays lost.
    if (this.isHeld && (!this.checkHeld() || deadline.remainingMs() <= 0)) return
    if (reply !== 'gone') this.#deadline = deadline
    if (this.#state === 'gone') return
    if (reply === 'gone') return this.onGone()
    const grant = grantIn(reply)
    const last = WAITING.exec(reply)?.[1]
    if (grant !== undefined) this.#onGranted(grant)
    else if (last !== undefined) this.#onWaiting(BigInt(last), known)
  }

  /** Handles a notification that was published for this ticket. Returns false if only a renewal can show what it means. */
  onNotice(notice: string): boolean {
    if (this.#state === 'gone') return true
    const grant = grantIn(notice)
    const stolen = STOLEN.exec(notice)?.[1]
    if (stolen !== undefined) this.#onStolen(BigInt(stolen))
    if (grant === undefined || grant.token === this.#facts?.token) return true
    if (this.isHeld || grant.token <= this.#lastOld || grant.token < (this.#facts?.token ?? 0n)) return false
    this.#onGranted(grant)
    return true
  }

  /** The reply to another request of its holder. */
  onHoldersReply(reply: string): void {
    if (grantIn(reply)?.token !== this.#facts?.token) this.onGone()
  }

  /** The server doesn't have it, or not its grant. */
  onGone(): void {
    this.#lose(
      'its lease in Redis has run out, or its keys were removed, or another server has taken over that did not have its grant',
    )
  }

  #onGranted(facts: GrantFacts): void {
    if (facts.token === this.#facts?.token) return
    // It held by another grant, and that was forgotten: see below.
    if (this.isHeld) return this.onGone()
    if (this.#facts !== undefined) this.#becomeOld(this.#facts.token)
    this.#state = 'granted'
    this.#facts = facts
    this.#wake()
  }

  /**
   * RACE: its grant may be forgotten, and notifications of it may still arrive: the server removed the ticket when its lease had run out, and made it anew when the
   * call to join was carried out again. Or another server has taken over, and it has the ticket, but not the grant.
   *
   * @param last at least the token of the last grant of all: grants up to this one aren't grants of this ticket.
   * @param known the grant that was known when the server was asked: the server doesn't have it.
   */
  #onWaiting(last: bigint, known: GrantFacts | undefined): void {
    this.#becomeOld(last)
    if (this.#state === 'joining') this.#state = 'waiting'
    if (this.#facts === undefined || (this.#facts.token > last && this.#facts !== known)) return
    this.#becomeOld(this.#facts.token)
    if (this.isHeld) this.onGone()
    else this.waitAgain()
  }

  #becomeOld(token: bigint): void {
    if (token > this.#lastOld) this.#lastOld = token
  }

  /** A thief has taken the grant with this token. If the grant is known here, the ticket has held, though its owner may not know yet. */
  #onStolen(token: bigint): void {
    if (token <= this.#lastOld && token !== this.#facts?.token) return
    this.#stolenToken = token
    if (this.#state === 'waiting') return this.#lose('it was stolen')
    if (!this.isStolen) return
    this.notifyStolen()
    this.#wake()
  }

  /** Notifies the owner of a theft, if there was one, and if the owner knows that it held. */
  notifyStolen(): void {
    if (!this.isStolen || !this.isHeld) return
    this.becomeGone()
    this.request.onStolen(new SlocketError('ERR_SLOCKET_LOST', `the lock '${this.name}' is lost: it was stolen`))
  }

  /** The grant was noticed so late that it may be over. */
  waitAgain(): void {
    if (this.#state !== 'granted') return
    this.#state = 'waiting'
    this.#facts = undefined
  }

  becomeHeld(): void {
    this.isHeld = true
    this.hasHeld = true
    this.#armDeadline()
  }

  /** Whether it holds. If it no longer does, its owner has been notified when this returns. */
  checkHeld(): boolean {
    if (!this.isHeld) return false
    if (this.isAlive) return true
    this.#lose('its lease in Redis could not be renewed in time')
    return false
  }

  /** The requests that wait by it fail. */
  fail(error: unknown): void {
    if (this.isHeld || this.#state === 'gone') return
    this.failure = error
    this.#wake()
  }

  becomeGone(): void {
    this.#state = 'gone'
    this.isHeld = false
    clearTimeout(this.#deadlineTimer)
  }

  #lose(reason: string): void {
    const { isHeld } = this
    this.becomeGone()
    if (isHeld) this.request.onLost(new SlocketError('ERR_SLOCKET_LOST', `the lock '${this.name}' is lost: ${reason}`))
    else this.#wake()
  }

  #armDeadline(): void {
    // If the lease was renewed meanwhile, the timer fires too early, and is set again.
    const delayMs = this.#deadline!.seemsToLastMs()
    this.#deadlineTimer = setTimeout(() => this.checkHeld() && this.#armDeadline(), delayMs).unref()
  }

  #wake(): void {
    this.onWoken?.()
  }
}

function grantIn(message: string): GrantFacts | undefined {
  const [, token, recovered] = HELD.exec(message) ?? []
  return token === undefined ? undefined : { token: BigInt(token), recovered: recovered === '1' }
}

/** A ticket that stands for everything ahead of a waiting ticket: only the server knows what is there. */
export function aheadOf({ claim }: OwnTicket): Ticket {
  return { id: 'ahead', claim: claim.kind === 'permit' ? claim : { kind: 'exclusive' }, live: false, joining: false }
}
