/** The members that this process has in one queue directory: the current member, which takes new tickets, and the retired members, which stay for their tickets. */
import type { OwnTicket } from '../ticket.ts'
import type { Connection } from '../wire/connection.ts'
import type { Member } from './member.ts'

export class OwnMembers {
  /** The member that takes new tickets. */
  current: Member | undefined
  readonly retired: Set<Member> = new Set()

  get hasConnections(): boolean {
    if (this.current?.hasConnections === true) return true
    if (this.retired.size === 0) return false
    for (const member of this.retired) if (member.hasConnections) return true
    return false
  }

  /** All connections with `peer`, whichever side opened them. */
  connectionsTo(peer: string): readonly Connection[] {
    const connections = this.current?.connectionsTo(peer) ?? []
    if (this.retired.size === 0) return connections
    return [...connections, ...[...this.retired].flatMap((member) => member.connectionsTo(peer))]
  }

  /** Whether there is a connection that `peer` has opened. */
  hasConnectionFrom(peer: string): boolean {
    if (this.current?.hasConnectionFrom(peer) === true) return true
    if (this.retired.size === 0) return false
    for (const member of this.retired) if (member.hasConnectionFrom(peer)) return true
    return false
  }

  /** The connection that was opened here, to a ticket of `peer`. */
  connectionOpenedTo(peer: string): Connection | undefined {
    const connection = this.current?.connectionOpenedTo(peer)
    if (connection !== undefined || this.retired.size === 0) return connection
    return this.connectionsTo(peer).find(({ isOpenedHere }) => isOpenedHere)
  }

  wakeAll(): void {
    this.current?.wakeAll()
    for (const member of this.retired) member.wakeAll()
  }

  /** Retires all: from now on none takes new tickets. */
  retire(): void {
    if (this.current !== undefined) this.retired.add(this.current)
    this.current = undefined
  }

  /** Kills a member, and with it its tickets. */
  close(member: Member): void {
    if (member === this.current) this.current = undefined
    this.retired.delete(member)
    member.close()
  }

  /** Closes the retired members that none of these tickets needs. */
  closeRetired(tickets: Iterable<OwnTicket>): void {
    if (this.retired.size === 0) return
    const needed = new Set<Member>()
    for (const own of tickets) if (!own.isOver) needed.add(own.owner)
    for (const member of this.retired) if (!needed.has(member)) this.close(member)
  }
}
