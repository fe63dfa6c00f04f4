/**
 * This process's presence in one queue directory: its member, kept while the lock is in use and for a short idle time
 * after (linger), so that a hot lock costs no new socket; and the end of all that, by linger or by the process's exit.
 *
 *  state    | meaning                                        | what ends it
 *  ---------+------------------------------------------------+---------------------------------------------------
 *  away     | no member, nothing of ours in the directory    | a request for the lock
 *  present  | a member listens, or is about to              | idle for the linger, or too many idle locks; exit
 *
 * A member is retired if its socket was removed from outside, or if it holds when the process exits: it takes no new
 * tickets, and stays for its present tickets.
 */
import type { Idle } from '../../../requests/idle.ts'
import { isExiting } from '../../../requests/exiting.ts'
import { becomeIdle, forgetIdle } from '../../../requests/idle.ts'
import { Linger } from '../../../requests/linger.ts'
import { debug } from '../../../debug.ts'
import type { QueueDirectory } from '../directory.ts'
import type { Listener } from './listener.ts'
import { listen } from './listener.ts'
import type { MemberOwner } from './member.ts'
import { Member, memberFile, randomMemberId } from './member.ts'
import { OwnMembers } from './own-members.ts'
import type { SlocketError } from '../../../errors.ts'
import { isSlocketError } from '../../../errors.ts'
import { DirectoryGone } from '../lock-directory.ts'
import { formatParty } from '../party-json.ts'
import type { OpenDirectory } from '../platform/open-directory.ts'
import { listensLater } from '../platform/runtime.ts'
import { SocketAddresses } from '../platform/socket-addresses.ts'
import { canLinkSocket, trialName } from '../platform/socket-links.ts'
import type { Asker, SilentMember } from './remove-stale.ts'
import { askMember, removeStaleMembers } from './remove-stale.ts'
import type { OwnTicket } from '../ticket.ts'
import type { Watched } from './ticket-watch.ts'
import { MEMBERS } from '../ticket-name.ts'
import { TicketWatch } from './ticket-watch.ts'
import { monotonicNowMs, setImmediate } from '../../../real-time.ts'

/** How many sockets must be unreachable before the file system counts as one without sockets. */
const MOST_TRIALS = 3

/** The queue that this presence is in. */
export interface PresentQueue extends Watched {
  readonly own: ReadonlyMap<string, OwnTicket>
  onWake(ticket: string): void
  onConnected(): void
  onDisconnected(peer: string): void
  /** Removes all own tickets from the queue, except the tickets of holders. */
  leave(): void
  /** Called when another process asks which requests the tickets stand for. */
  onAsked?(): void
}

/** Notified when a presence begins and ends, so that it can be ended when the process exits. */
export interface PresenceKeeper {
  onPresent(): void
  /** Called again when tickets that went on holding have been released. */
  onAway(): void
  /**
   * See {@link Asker.collect}. Missing if all tickets are in the directory itself: then the socket of a dead
   * member isn't needed to find them.
   */
  collect?(member: SilentMember): (() => void) | undefined
}

export class Presence implements MemberOwner, Idle {
  readonly members: OwnMembers = new OwnMembers()
  readonly #directory: QueueDirectory
  readonly #keeper: PresenceKeeper
  readonly #newMemberId: () => string
  readonly #addresses: SocketAddresses
  readonly #asker: Asker = {
    collect: (member) => this.#keeper.collect?.(member),
    onAsked: (hasRemoved) => this.#onAsked(hasRemoved),
  }
  /** Members for which a trial runs that shows whether links lead to their sockets. */
  readonly #tried = new Set<Member>()
  /** How many trials in a row found no way to reach a socket. */
  #failedTrials = 0
  #queue: PresentQueue | undefined
  #isPresent = false
  /** How many requests are about to join through it, but have no ticket yet. */
  joining = 0
  /** When its last ticket left. */
  idleSinceMs = 0
  readonly #linger = new Linger(() => this.#onLinger())
  readonly #watch = new TicketWatch()

  constructor(directory: QueueDirectory, keeper: PresenceKeeper, newMemberId: () => string = randomMemberId) {
    this.#directory = directory
    this.#keeper = keeper
    this.#newMemberId = newMemberId
    this.#addresses = new SocketAddresses(directory.path)
  }

  attach(queue: PresentQueue): void {
    this.#queue = queue
  }

  /** Creates what is missing. `foreign`: the lock of another program is in the way. */
  open(): 'open' | 'foreign' | Promise<'open' | 'foreign'> {
    // RACE: from now on other requests for the lock find this presence, even if the request that opens it is cancelled meanwhile.
    this.#appear()
    const id = this.#newMemberId()
    const listening = this.#listen(memberFile(id))
    if (listening === 'foreign') return 'foreign'
    this.#directory.hasLinks = this.#directory.fileSystem!.hasSocketLinks
    if (listening instanceof Promise || !this.#directory.hasLinks) return this.#openSlowly(id, listening)
    return this.#becomeMemberAndAsk(new Member(id, listening, this))
  }

  /** As {@link open}, without a turn of the event loop. Returns false if that isn't possible; then no member is made. */
  openAtOnce(): boolean {
    this.#appear()
    const id = this.#newMemberId()
    const begun = this.#beginToListen(memberFile(id))
    if (begun === 'foreign') return false
    const { listening, members } = begun
    this.#directory.hasLinks = this.#directory.fileSystem!.hasSocketLinks
    if (listening instanceof Promise) {
      // In another runtime, without descriptors, or because the directory has vanished. Node reports that in the next turn.
      if (!listensLater) members.close()
      listening
        .then((listener) => listener.close())
        .catch((error: unknown) => debug('%s: a member that was not needed: %s', this.#directory.path, error))
        .finally(() => this.#directory.removeIfEmpty())
      return false
    }
    if (!this.#directory.hasLinks) {
      // Done now: the thread may block for a long time, or exit, before it takes another turn.
      listening.close()
      return false
    }
    const member = new Member(id, listening, this)
    this.#becomeMember(member)
    // Now: this thread may make many members, or exit, before it takes another turn.
    this.#askOthers(member)
    return true
  }

  /** Must be called when the member's socket was removed from outside. */
  retire(): void {
    const { current } = this.members
    if (current === undefined) return
    debug('%s: the socket of member %s was removed from outside', this.#directory.path, current.id)
    this.members.retire()
    this.#addresses.close()
    this.#closeRetired()
  }

  /** Makes a socket for one ticket of `member`, under a name that is renamed later, by which others find it in the kernel's list (liveness.ts). */
  async listenForTicket(member: Member, number: string): Promise<{ name: string; listener: Listener } | 'foreign'> {
    const file = `${memberFile(member.id)}.${number}`
    const listener = await this.#listen(file)
    if (listener === 'foreign') return 'foreign'
    member.adopt(listener)
    return { name: file, listener }
  }

  get isPresent(): boolean {
    return this.#isPresent
  }

  get isIdle(): boolean {
    return this.#isPresent && this.joining === 0 && this.#queue!.own.size === 0
  }

  /** @param name relative to the directory. */
  addressOf(name: string): string {
    return this.#addresses.of(name)
  }

  /** Finds out whether a member is alive. */
  ask(file: string): void {
    try {
      askMember(this.#directory, this.#addresses, file, this.#asker)
    } catch (error) {
      debug('%s: %s cannot be asked: %s', this.#directory.path, file, error)
    }
  }

  /** Closes the member of a ticket that can't be unlinked, so that the ticket is dead. Returns false if another ticket in use needs the member. */
  abandon(own: OwnTicket): boolean {
    for (const other of this.#queue!.own.values()) if (!other.isOver && other.owner === own.owner) return false
    debug('%s: ticket %s cannot be removed, so its member ends', this.#directory.path, own.id)
    this.members.close(own.owner)
    return true
  }

  /** Must be called when a ticket has left, or could not be made. If none is left, the presence ends `lingerMs` from now, unless it is used again. */
  onLeft(lingerMs: number): void {
    this.#closeRetired()
    if (this.#queue!.own.size > 0) return
    // The ticket was released while the process exits, after this presence has left.
    if (!this.#isPresent) {
      this.#directory.removeIfEmpty()
      return this.#keeper.onAway()
    }
    // Without a member nothing could be made: no descriptors, or no permission.
    if (lingerMs === 0 || this.members.current === undefined) return this.leave()
    this.idleSinceMs = monotonicNowMs()
    becomeIdle(this)
    this.#linger.start(lingerMs)
  }

  /** Looks after the tickets in use: see {@link TicketWatch.start}. */
  watch(closely: boolean): void {
    this.#watch.start(this.#queue!, closely)
  }

  /**
   * Ends the presence now. Held tickets stay held until they are released, or until the kernel closes their sockets at
   * the end of this process (or thread). Then they are left behind, dead, so that the next holder gets `recovered`.
   */
  leave(): void {
    this.#linger.stop()
    if (!this.#isPresent) return
    this.#isPresent = false
    forgetIdle(this)
    this.#queue!.leave()
    this.members.retire()
    this.#closeRetired()
    if (isExiting()) this.#closeTried()
    if (this.members.retired.size === 0) this.#watch.stop()
    else this.#hideRetired()
    this.#addresses.close()
    this.#directory.removeIfEmpty()
    debug('%s: left', this.#directory.path)
    this.#keeper.onAway()
  }

  onWake(ticket: string): void {
    this.#queue!.onWake(ticket)
  }

  onConnected(): void {
    this.#queue!.onConnected()
  }

  onDisconnected(peer: string): void {
    this.#queue!.onDisconnected(peer)
  }

  describe(): string {
    this.#queue!.onAsked?.()
    return formatParty(this.#queue!.own.values())
  }

  /** Also finds out whether tickets can be hard links, if that is not known of the file system: once for each member. */
  async #openSlowly(id: string, listening: Listener | Promise<Listener>): Promise<'open'> {
    const member = new Member(id, await listening, this)
    if (!this.#directory.hasLinks) {
      this.#tried.add(member)
      try {
        const hasLinks = await canLinkSocket(this.#directory.pathOf(MEMBERS), memberFile(id))
        debug('%s: hard links to sockets %s', this.#directory.path, hasLinks ? 'lead to them' : 'are of no use here')
        this.#directory.hasLinks = hasLinks
        this.#failedTrials = 0
      } catch (error) {
        member.close()
        throw this.#failToListen(this.#isTrialOver(error) ? error : new DirectoryGone(error as SlocketError))
      } finally {
        this.#tried.delete(member)
      }
    }
    return this.#becomeMemberAndAsk(member)
  }

  /** False if the trial must be repeated with a new socket: FUSE may lose track of a socket that was made while another was removed (gocryptfs). */
  #isTrialOver(error: unknown): boolean {
    if (!isSlocketError(error, 'ERR_SLOCKET_NO_SOCKETS')) return true
    this.#failedTrials += 1
    return this.#failedTrials >= MOST_TRIALS
  }

  #becomeMemberAndAsk(member: Member): 'open' {
    // Not now: a request waits for its place in the queue. The presence may have ended by then.
    if (this.#becomeMember(member)) setImmediate(() => this.#askOthers(member))
    return 'open'
  }

  /** False if the process already has a member. */
  #becomeMember(member: Member): boolean {
    // RACE: two requests of this process found no member at the same time; the first one's member serves both.
    if (this.members.current !== undefined) {
      member.close()
      return false
    }
    this.members.current = member
    debug('%s: member %s listens', this.#directory.path, member.id)
    // RACE: its linger may have ended meanwhile, and so the presence.
    this.#appear()
    return true
  }

  #askOthers(own: Member): void {
    removeStaleMembers(this.#directory, this.#addresses, own, this.#asker)
  }

  #onAsked(hasRemoved: boolean): void {
    if (this.#isPresent) return
    this.#addresses.close()
    // RACE: a member that lives, or has just left, removes the directory itself. If this client did so at the same time, that member's release could
    // return before the directory is gone.
    if (hasRemoved) this.#directory.removeIfEmpty()
  }

  #appear(): void {
    if (this.#isPresent) return
    // Members may have been asked since the last presence ended. The directory may be another one by now.
    this.#addresses.close()
    this.#isPresent = true
    this.#keeper.onPresent()
  }

  #listen(file: string): Listener | 'foreign' | Promise<Listener> {
    const begun = this.#beginToListen(file)
    return begun === 'foreign' ? begun : begun.listening
  }

  #beginToListen(file: string): { members: OpenDirectory; listening: Listener | Promise<Listener> } | 'foreign' {
    const members = this.#directory.open()
    if (members === 'foreign') return 'foreign'
    let listening: Listener | Promise<Listener>
    try {
      listening = listen(this.#directory, members, file)
    } catch (error) {
      members.close()
      throw this.#failToListen(error)
    }
    if (listening instanceof Promise) {
      listening = listening
        .finally(() => members.close())
        .catch((error: unknown) => {
          throw this.#failToListen(error)
        })
    } else members.close()
    return { members, listening }
  }

  #failToListen(error: unknown): unknown {
    // A short address would go on leading to the directory that has vanished.
    this.#addresses.close()
    if (this.members.current === undefined) this.#directory.removeIfEmpty()
    return error
  }

  #onLinger(): void {
    if (this.#queue!.own.size === 0) this.leave()
  }

  /** Removes the names of the sockets that hold while the process exits: nothing would remove them afterwards. */
  #hideRetired(): void {
    if (this.#keeper.collect !== undefined) return
    for (const { id } of this.members.retired) this.#directory.removeMemberFiles(memberFile(id))
  }

  /** The process exits: the trials will not finish. */
  #closeTried(): void {
    for (const member of this.#tried) {
      const file = memberFile(member.id)
      member.close()
      this.#directory.removeEntry(`${MEMBERS}/${trialName(file)}`)
    }
  }

  #closeRetired(): void {
    this.members.closeRetired(this.#queue!.own.values())
  }
}
