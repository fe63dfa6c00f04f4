/**
 * A bell: the named pipe by which a member of a queue is woken, and its connections. Only hints are sent here; nothing that is received, and no end of a
 * connection, proves anything.
 *
 *  1. The side that connects first says who it is; the other side answers at once. The answer counts as a wake-up, since it may come after one was due.
 *  2. The end of a connection wakes both sides.
 *  3. No connection keeps the process alive.
 *
 * The frames are those of ../wire/frames.ts, and one more:
 *
 *     give up TICKET      sent by `slocket.break`: the ticket must stop holding. The sender does not say who it is.
 */
import type net from 'node:net'
import { debug } from '../../../debug.ts'
import { systemCode } from '../../../errors.ts'
import { closeQuietly } from '../members/exit.ts'
import { builtInCrypto, builtInNet } from '../platform/built-in.ts'
import { toSlocketError } from '../platform/system-error.ts'
import { setTimeout } from '../../../real-time.ts'
import { formatFrame, formatWake, LineSplitter, MAX_FRAME_BYTES, parseFrame } from '../wire/frames.ts'

/** How long a connection may stay silent before its other end has said who it is, in ms. */
const SILENCE_MS = 10_000
/** How long a connection stays open on which something was written last, in ms. */
const SENT_MS = 50
/** How much may wait to be read by the other end, in bytes. */
const MOST_UNREAD_BYTES = 64 << 10

/** What a bell tells the queue. */
export interface BellOwner {
  /** Somebody says that this ticket's turn may have come. */
  onWake(ticketId: string): void
  /** Somebody takes the lock away from this ticket. */
  onBreak(ticketId: string): void
  /** A connection has come to life: its other end knows of this member from now on. */
  onConnected(): void
  /** A connection has ended. */
  onDisconnected(): void
  /** The JSON of a `party` frame. */
  describe(): string
}

/** Where a member is woken. */
export function pipeOf(member: string): string {
  return `\\\\.\\pipe\\slocket-2-${member}`
}

/** The length of the id of a member, and of that part of it that says which client the member belongs to, if that is known. */
const MEMBER_LENGTH = 12
export const CLIENT_LENGTH = 8

/** Random digits and letters, about five bits each. */
export function randomLetters(length: number): string {
  return builtInCrypto().randomBytes(8).readBigUInt64LE().toString(36).padStart(length, '0').slice(-length)
}

const GIVE_UP = /^give up (\d{19}-[a-z0-9]{12})$/

/** Asks the owner of a ticket to give up the lock. The message may be lost. */
export function formatGiveUp(ticketId: string): string {
  return `give up ${ticketId}\n`
}

export class Bell {
  readonly member: string
  readonly #owner: BellOwner
  readonly #server: net.Server
  readonly #all = new Set<Connection>()
  /** Connections from a member, which has said who it is. */
  readonly #inbound = new Map<string, Set<Connection>>()
  /** Connections that were opened here, or are being opened. */
  readonly #outbound = new Map<string, Connection>()
  #isClosed = false

  /** @param client what the id of the member begins with. @throws what a system error means. */
  constructor(owner: BellOwner, client = '') {
    this.#owner = owner
    this.member = client + randomLetters(MEMBER_LENGTH - client.length)
    this.#server = builtInNet().createServer((socket) => {
      if (this.#isClosed) socket.destroy()
      else this.#add(socket, undefined)
    })
    // Without a pipe, waiters check by the clock.
    this.#server.on('error', (error) => debug('member %s cannot be woken: %s', this.member, error))
    try {
      // Not through the primary of a cluster, which would share one pipe among its workers.
      this.#server.listen({ path: pipeOf(this.member), exclusive: true })
    } catch (error) {
      throw systemCode(error) === undefined ? error : toSlocketError(error, 'listen at', pipeOf(this.member))
    }
    this.#server.unref()
    debug('member %s listens', this.member)
  }

  get hasConnections(): boolean {
    return this.#all.size > 0
  }

  /** Whether a connection that was opened here was answered, and lasts: then `peer` wakes this member. */
  isKnownTo(peer: string): boolean {
    return this.#outbound.get(peer)?.isAnswered === true
  }

  /** Whether a connection came from `peer`. */
  hasInbound(peer: string): boolean {
    return this.#inbound.has(peer)
  }

  /** Opens a connection to `peer`, unless there is one. The owner is notified of the result. */
  connect(peer: string): void {
    if (this.#isClosed || this.#outbound.has(peer)) return
    const connection = this.#add(builtInNet().connect({ path: pipeOf(peer) }), peer)
    this.#outbound.set(peer, connection)
    connection.send(formatFrame({ kind: 'hello', member: this.member }))
  }

  /**
   * Notifies `peer` that the turn of these tickets may have come: over all connections that came from it, or else over the connection that was opened here.
   * False if there is none.
   */
  ring(peer: string, ticketIds: readonly string[]): boolean {
    const frames = ticketIds.map(formatWake).join('')
    let isTold = false
    for (const connection of this.#inbound.get(peer) ?? []) if (connection.send(frames)) isTold = true
    return isTold || this.#outbound.get(peer)?.send(frames) === true
  }

  close(): void {
    this.#isClosed = true
    closeQuietly(this.#server)
    for (const connection of this.#all) connection.destroyOnceSent()
    this.#all.clear()
    this.#inbound.clear()
    this.#outbound.clear()
  }

  #add(socket: net.Socket, peer: string | undefined): Connection {
    const connection = new Connection(socket, peer, {
      member: this.member,
      onHello: () => {
        const { peer: from } = connection
        const others = this.#inbound.get(from!)
        if (others === undefined) this.#inbound.set(from!, new Set([connection]))
        else others.add(connection)
        this.#owner.onConnected()
      },
      onAnswer: () => this.#owner.onConnected(),
      onWake: (id) => this.#owner.onWake(id),
      onBreak: (id) => this.#owner.onBreak(id),
      onEnd: () => this.#onEnd(connection),
      describe: () => this.#owner.describe(),
    })
    this.#all.add(connection)
    return connection
  }

  #onEnd(connection: Connection): void {
    this.#all.delete(connection)
    const { peer } = connection
    if (peer === undefined) return
    if (this.#outbound.get(peer) === connection) this.#outbound.delete(peer)
    const inbound = this.#inbound.get(peer)
    if (inbound?.delete(connection) === true && inbound.size === 0) this.#inbound.delete(peer)
    if (!this.#isClosed) this.#owner.onDisconnected()
  }
}

interface ConnectionOwner {
  readonly member: string
  onHello(): void
  onAnswer(): void
  onWake(ticketId: string): void
  onBreak(ticketId: string): void
  /** Called once. */
  onEnd(): void
  describe(): string
}

class Connection {
  /** The member at the other end, once known. */
  peer: string | undefined
  /** Whether the other end has shown that its event loop knows of this one. */
  isAnswered = false
  readonly #socket: net.Socket
  readonly #owner: ConnectionOwner
  readonly #splitter = new LineSplitter(MAX_FRAME_BYTES)
  readonly #isOpenedHere: boolean
  #hasDescribed = false
  #hasRung = false
  #hasEnded = false

  constructor(socket: net.Socket, peer: string | undefined, owner: ConnectionOwner) {
    this.#socket = socket
    this.#owner = owner
    this.peer = peer
    this.#isOpenedHere = peer !== undefined
    socket.unref()
    socket.on('data', (chunk: Buffer) => this.#onText(chunk.toString('latin1')))
    for (const event of ['error', 'end', 'close']) socket.on(event, () => this.#end())
    if (peer === undefined) socket.setTimeout(SILENCE_MS, () => socket.destroy())
  }

  /** False if it is certain that the frames do not arrive. True does not prove that they do. */
  send(frames: string): boolean {
    this.#hasRung ||= frames.startsWith('wake')
    if (this.#hasEnded || this.#socket.destroyed) return false
    if (this.#socket.writableLength > MOST_UNREAD_BYTES) {
      this.#socket.destroy()
      return false
    }
    this.#socket.write(frames, 'latin1')
    return true
  }

  destroy(): void {
    this.#hasEnded = true
    this.#socket.destroy()
  }

  /** As {@link destroy}; but what was sent before the connection was there is delivered first. */
  destroyOnceSent(): void {
    this.#hasEnded = true
    if (!this.#socket.connecting || !this.#hasRung) return void this.#socket.destroy()
    this.#socket.once('connect', () => setTimeout(() => this.#socket.destroy(), SENT_MS).unref())
  }

  #onText(text: string): void {
    const lines = this.#splitter.push(text)
    if (lines === undefined) return this.#end()
    for (const line of lines) {
      if (this.#hasEnded) return
      if (!this.#take(line)) return this.#end()
    }
  }

  /** False for a violation, which ends the connection and nothing more. */
  #take(line: string): boolean {
    const [, toGiveUp] = GIVE_UP.exec(line) ?? []
    if (toGiveUp !== undefined) {
      this.#owner.onBreak(toGiveUp)
      return true
    }
    const frame = parseFrame(line)
    switch (frame?.kind) {
      case 'hello':
        if (this.peer !== undefined) return false
        this.peer = frame.member
        this.#socket.setTimeout(0)
        this.send(formatFrame({ kind: 'here', member: this.#owner.member }))
        this.#owner.onHello()
        return true
      case 'here':
        if (!this.#isOpenedHere || this.peer !== frame.member) return false
        this.isAnswered = true
        this.#owner.onAnswer()
        return true
      case 'wake':
        if (this.peer === undefined) return false
        this.#owner.onWake(frame.ticket)
        return true
      case 'who':
        if (this.#hasDescribed) return false
        this.#hasDescribed = true
        this.send(formatFrame({ kind: 'party', json: this.#owner.describe() }))
        return true
      case 'party':
      case undefined:
        return false
    }
  }

  #end(): void {
    if (this.#hasEnded) return void this.#socket.destroy()
    this.destroy()
    this.#owner.onEnd()
  }
}
