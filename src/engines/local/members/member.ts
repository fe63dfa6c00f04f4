/**
 * A member: one presence of this process (or worker thread) in a queue directory, a listening socket. When the process dies,
 * for whatever reason, the kernel closes the socket, and every process connected to it is notified.
 *
 *  1. The socket listens before its first ticket is linked, and never listens again: what is dead stays dead.
 *  2. It has a ticket, or its presence closes it (linger); while it has a ticket, it listens.
 *  3. Its id, and so its name, is never reused: removing the socket of a dead member does no harm.
 *
 * On macOS and the BSDs, a held file takes the place of the socket in all three: platform/witness.ts.
 */
import { systemCode } from '../../../errors.ts'
import { Connection } from '../wire/connection.ts'
import { connectTo } from '../wire/connect.ts'
import { formatFrame } from '../wire/frames.ts'
import { DirectoryGone } from '../lock-directory.ts'
import { randomBits } from '../platform/random.ts'
import { toSlocketError } from '../platform/system-error.ts'
import { witness } from '../platform/witness.ts'
import type { Listener } from './listener.ts'

/** What a member reports to its queue. */
export interface MemberOwner {
  /** Called when another process says that this ticket's turn may have come. */
  onWake(ticket: string): void
  /** Called when a connection was answered: its other end knows of us from now on. */
  onConnected(): void
  /** Called when a connection has ended. */
  onDisconnected(peer: string): void
  /** The JSON of a `party` frame. */
  describe(): string
}

/**
 * The result of connecting to a ticket. `refused`: nobody listens; `gone`: no such name; `busy`: a process listens, but cannot
 * be connected to now; `broken`: the connection ended as it was made.
 */
export type Reached = 'connected' | 'refused' | 'gone' | 'busy' | 'broken'

/** The place to connect to. */
export interface Address {
  /** @throws DirectoryGone if it leads nowhere any more. */
  open(): string
  /** Closes what it opened. May be called twice. */
  close(): void
}

/** Returns twelve unique characters: about 62 random bits. */
export function randomMemberId(): string {
  return randomBits().toString(36).padStart(12, '0').slice(-12)
}

/** The name of a member's file, which is its socket on Linux: id and process id. */
export function memberFile(id: string, pid: number = process.pid): string {
  return `${id}.${pid}`
}

/** The process id in the name of a member's socket, or of a socket that will become a ticket. Undefined for other names. */
export function memberPid(file: string): string | undefined {
  return /^[a-z0-9]{12}\.(\d{1,10})(?:\.\d+)?$/.exec(file)?.[1]
}

const NONE: readonly Connection[] = []

export class Member {
  readonly id: string
  /** Of this process. */
  readonly pid: number = process.pid
  /** The name of its socket. */
  readonly file: string
  readonly listener: Listener
  private readonly owner: MemberOwner
  private readonly connections = new Set<Connection>()
  private readonly byPeer = new Map<string, Connection[]>()
  /** For each peer, the first connection that was opened here, which proves that its other end listens. */
  private readonly openedTo = new Map<string, Connection>()
  private readonly connecting = new Map<string, Promise<Reached>>()
  /** For each connection that is being made: gives it up, and closes what is open for it. */
  private readonly givingUp = new Set<() => void>()
  isClosed = false

  constructor(id: string, listener: Listener, owner: MemberOwner) {
    this.id = id
    this.file = memberFile(id)
    this.listener = listener
    this.owner = owner
    this.adopt(listener)
  }

  /** Accepts connections: to the member itself, or to a ticket with a socket of its own. */
  adopt({ server }: Listener): void {
    server.on('connection', (socket) => {
      if (this.isClosed) socket.destroy()
      else this.connections.add(new Connection(socket, this))
    })
  }

  get hasConnections(): boolean {
    return this.byPeer.size > 0
  }

  /** All connections with `peer`, whichever side opened them. A connection that was opened from outside may be from another process that uses its name. */
  connectionsTo(peer: string): readonly Connection[] {
    return this.byPeer.get(peer) ?? NONE
  }

  /** Whether there is a connection that `peer` has opened. */
  hasConnectionFrom(peer: string): boolean {
    const connections = this.byPeer.get(peer) ?? NONE
    for (let index = 0; index < connections.length; index += 1) if (!connections[index]!.isOpenedHere) return true
    return false
  }

  /** The connection that was opened here, to a ticket of `peer`. */
  connectionOpenedTo(peer: string): Connection | undefined {
    return this.openedTo.get(peer)
  }

  /** The same, if it hasn't ended. */
  liveConnectionTo(peer: string): Connection | undefined {
    const connection = this.openedTo.get(peer)
    return connection?.hasEnded() === true ? this.openedTo.get(peer) : connection
  }

  /**
   * Connects to the member `peer` at the address of one of its tickets. Rejects if that proves nothing. Connections to the same peer are made one
   * after the other: one connection serves all callers.
   */
  connect(address: Address, peer: string): Promise<Reached> {
    const before = this.connecting.get(peer)
    const connecting = before === undefined ? this.connectNow(address, peer) : this.connectAfter(before, address, peer)
    this.connecting.set(peer, connecting)
    return connecting.finally(() => {
      if (this.connecting.get(peer) === connecting) this.connecting.delete(peer)
    })
  }

  private async connectAfter(before: Promise<Reached>, address: Address, peer: string): Promise<Reached> {
    // The result of the other attempt is reported to its own callers.
    await before.catch(() => {})
    return this.connectionOpenedTo(peer) === undefined ? await this.connectNow(address, peer) : 'connected'
  }

  /** Makes all connected members look again, without a reason. */
  wakeAll(): void {
    for (const connection of this.connections) connection.send(formatFrame({ kind: 'here', member: this.id }))
  }

  /** Closes everything that it has open, at once: this thread may not take another turn of the event loop for a long time. */
  close(): void {
    this.isClosed = true
    this.listener.close()
    for (const giveUp of this.givingUp) giveUp()
    this.givingUp.clear()
    for (const connection of this.connections) connection.destroy()
    this.connections.clear()
    this.byPeer.clear()
    this.openedTo.clear()
  }

  onHello(connection: Connection): void {
    this.register(connection)
    this.owner.onConnected()
  }

  onAnswer(): void {
    this.owner.onConnected()
  }

  onWake(ticket: string): void {
    this.owner.onWake(ticket)
  }

  onClosed(connection: Connection): void {
    this.connections.delete(connection)
    if (connection.peer === undefined) return
    const others = (this.byPeer.get(connection.peer) ?? []).filter((other) => other !== connection)
    if (others.length > 0) this.byPeer.set(connection.peer, others)
    else this.byPeer.delete(connection.peer)
    const opened = others.find(({ isOpenedHere }) => isOpenedHere)
    if (opened === undefined) this.openedTo.delete(connection.peer)
    else this.openedTo.set(connection.peer, opened)
    if (!this.isClosed) this.owner.onDisconnected(connection.peer)
  }

  describe(): string {
    return this.owner.describe()
  }

  private connectNow(address: Address, peer: string): Promise<Reached> {
    // RACE: it was closed while it connected to another member. Nothing would close a connection that is opened now.
    if (this.isClosed) return Promise.resolve('gone')
    let path: string
    try {
      path = address.open()
    } catch (error) {
      return error instanceof DirectoryGone ? Promise.resolve('gone') : Promise.reject(error)
    }
    return this.connectAt(path, peer, address).finally(() => address.close())
  }

  private connectAt(path: string, peer: string, address: Address): Promise<Reached> {
    return new Promise((resolve, reject) => {
      let connection: Connection | undefined
      const onDone = (error: Error | null): void => {
        this.givingUp.delete(giveUp)
        // What was given up proves nothing about the other end.
        if (this.isClosed) {
          socket.destroy()
          return resolve('gone')
        }
        if (error !== null) {
          const reached = reachedBy(error)
          if (reached === undefined) return reject(toSlocketError(error, 'reach a member of', path))
          return resolve(reached)
        }
        connection = new Connection(socket, this, peer)
        this.connections.add(connection)
        this.register(connection)
        connection.send(formatFrame({ kind: 'hello', member: this.id }))
        resolve('connected')
      }
      const giveUp = (): void => {
        socket.destroy()
        address.close()
        resolve('gone')
      }
      const socket = connectTo(path, onDone, (text) => connection?.onText(text))
      this.givingUp.add(giveUp)
    })
  }

  private register(connection: Connection): void {
    const peer = connection.peer!
    if (connection.isOpenedHere && !this.openedTo.has(peer)) this.openedTo.set(peer, connection)
    const others = this.byPeer.get(peer)
    if (others === undefined) this.byPeer.set(peer, [connection])
    else others.push(connection)
  }
}

/**
 * connect(2), unix(7). ENOTDIR: something else is in the place of the lock's directory. EAGAIN: the backlog is full. EPROTOTYPE: a socket of another type is
 * there, which isn't a member's, but is alive. The rest mean that the other end left while we connected.
 */
const REACHED_BY_ERROR: Readonly<Record<string, Reached>> = {
  ECONNREFUSED: 'refused',
  ENOENT: 'gone',
  ENOTDIR: 'gone',
  EAGAIN: 'busy',
  EPROTOTYPE: 'busy',
  ECONNRESET: 'broken',
  EPIPE: 'broken',
}

/** Errors of this process, or of the machine: they say nothing about the other end. */
const RESOURCES: ReadonlySet<string> = new Set(['EMFILE', 'ENFILE', 'ENOMEM', 'ENOBUFS'])

/** Undefined if it failed. */
function reachedBy(error: Error): Reached | undefined {
  const code = systemCode(error) ?? ''
  const reached = REACHED_BY_ERROR[code]
  // A socket that only wakes proves nothing, whatever is in its place: the member's file shows whether it lives.
  return reached === undefined && witness.kind === 'file' && !RESOURCES.has(code) ? 'broken' : reached
}
