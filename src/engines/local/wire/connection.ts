/**
 * One connection between two members, used both ways, whichever side opened it. It never keeps the process alive.
 *
 *  1. The side that connects first says who it is. The side that accepts answers at once.
 *  2. Until the answer has come, the event loop of the other side may be blocked: it does not know of us yet.
 *  3. Each side may send `who` once.
 *  4. A violation (see frames.ts) destroys the connection and nothing more; so does a peer that reads nothing while more and more is sent.
 */
import type net from 'node:net'
import type { Frame } from './frames.ts'
import { formatFrame, LineSplitter, MAX_FRAME_BYTES, parseFrame } from './frames.ts'

/**
 * How much may wait to be read by the other end, in bytes. A ticket that waits for its turn is notified only once for each ticket that
 * leaves ahead of it, so an end that leaves so much unread only claims to wait.
 */
const MOST_UNREAD_BYTES = 64 << 10

/** How long an accepted connection may say nothing, in ms. It delays no request; this only frees the descriptor. */
const SILENCE_MS = 10_000

export interface ConnectionOwner {
  readonly id: string
  onHello(connection: Connection): void
  onAnswer(connection: Connection): void
  onWake(ticket: string): void
  onClosed(connection: Connection): void
  /** The JSON of a `party` frame. */
  describe(): string
}

/** `ended` becomes true when the end arrives; everything public follows a tick later. Node 20 to 26 have it. */
type NodeSocket = net.Socket & { readonly _readableState: { readonly ended: boolean } }

export class Connection {
  /** The member at the other end, once known. */
  peer: string | undefined
  /** Whether this side opened it, and so has proof that the other end listens where the peer's tickets lead. */
  readonly isOpenedHere: boolean
  /** Whether the other end has shown that its event loop knows of us. */
  isAnswered: boolean
  private readonly socket: NodeSocket
  private readonly owner: ConnectionOwner
  private readonly splitter = new LineSplitter(MAX_FRAME_BYTES)
  private hasDescribed = false
  private isClosed = false

  /** @param peer the member connected to; undefined for an accepted connection, which has yet to say who it is. */
  constructor(socket: net.Socket, owner: ConnectionOwner, peer?: string) {
    this.socket = socket as NodeSocket
    this.owner = owner
    this.peer = peer
    this.isOpenedHere = peer !== undefined
    this.isAnswered = false
    socket.unref()
    if (peer === undefined) socket.on('data', (chunk: Buffer) => this.onText(chunk.toString('latin1')))
    socket.on('error', () => this.onGone())
    socket.on('end', () => this.onGone())
    socket.on('close', () => this.onGone())
    if (peer === undefined) socket.setTimeout(SILENCE_MS, () => socket.destroy())
  }

  /**
   * Sends formatted frames (frames.ts). False if it is certain that they do not arrive. True does not prove that they do.
   */
  send(frames: string): boolean {
    const { socket } = this
    if (this.isClosed || socket.destroyed) return false
    // The owner is notified of the end later: the sender may be iterating over the connections.
    if (socket.writableLength > MOST_UNREAD_BYTES) {
      socket.destroy()
      return false
    }
    socket.write(frames, 'latin1')
    // Node sets it at once if the kernel refuses the bytes, and emits the event when the event loop goes on.
    return socket.errored === null
  }

  /** Notices the end of the connection also if Node's event for it was dropped: see real-time.ts. */
  hasEnded(): boolean {
    if (this.socket.destroyed || this.socket._readableState.ended) this.onGone()
    return this.isClosed
  }

  destroy(): void {
    this.isClosed = true
    this.socket.destroy()
  }

  /** Must be called with the text that arrives on a connection that was opened here. */
  onText(text: string): void {
    const lines = this.splitter.push(text)
    if (lines === undefined) return this.onViolation()
    for (let index = 0; index < lines.length; index += 1) {
      if (this.isClosed) return
      const frame = parseFrame(lines[index]!)
      if (frame === undefined || !this.take(frame)) return this.onViolation()
    }
  }

  /** False for a violation. */
  private take(frame: Frame): boolean {
    switch (frame.kind) {
      case 'hello':
        if (this.peer !== undefined) return false
        this.peer = frame.member
        this.isAnswered = true
        this.socket.setTimeout(0)
        this.send(formatFrame({ kind: 'here', member: this.owner.id }))
        this.owner.onHello(this)
        return true
      case 'here':
        if (this.peer !== frame.member) return false
        this.isAnswered = true
        this.owner.onAnswer(this)
        return true
      case 'wake':
        if (this.peer === undefined) return false
        this.owner.onWake(frame.ticket)
        return true
      case 'who':
        // Once: a peer that asks again and again, and reads no answer, would fill this process's memory.
        if (this.hasDescribed) return false
        this.hasDescribed = true
        this.send(formatFrame({ kind: 'party', json: this.owner.describe() }))
        return true
      case 'party':
        return false
    }
  }

  private onViolation(): void {
    this.socket.destroy()
    this.onGone()
  }

  private onGone(): void {
    if (this.isClosed) return
    this.isClosed = true
    this.socket.destroy()
    this.owner.onClosed(this)
  }
}
