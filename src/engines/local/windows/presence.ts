/**
 * Manages this process's presence in the directory of a lock: its bell, which stays open while the lock is in use and for a short idle time after
 * that (linger). The presence ends when that time is over, or when the process exits.
 */
import type { Idle } from '../../../requests/idle.ts'
import { becomeIdle, forgetIdle } from '../../../requests/idle.ts'
import { debug } from '../../../debug.ts'
import { Linger } from '../../../requests/linger.ts'
import { monotonicNowMs } from '../../../real-time.ts'
import type { BellOwner } from './bell.ts'
import { Bell } from './bell.ts'
import type { WindowsDirectory } from './directory.ts'

/** The queue that this is the presence in. */
export interface PresentQueue extends BellOwner {
  /** How many tickets it has in the directory. */
  readonly size: number
  /** Removes all own tickets from the queue, except tickets that hold. */
  leave(): void
  /** Removes everything that is no longer needed. */
  tidy(): void
}

/** Is notified when a presence begins and ends. */
export interface PresenceKeeper {
  /** What the ids of its members begin with. */
  readonly client?: string
  onPresent(): void
  /** Called again when tickets that went on holding have been released. */
  onAway(): void
}

export class Presence implements Idle {
  /** Undefined while there is no presence. */
  bell: Bell | undefined
  /** How many requests are about to join, though they have no ticket yet. */
  joining = 0
  /** When its last ticket left. */
  idleSinceMs = 0
  readonly #directory: WindowsDirectory
  readonly #keeper: PresenceKeeper
  #queue: PresentQueue | undefined
  #isPresent = false
  readonly #linger = new Linger(() => this.#onLinger())

  constructor(directory: WindowsDirectory, keeper: PresenceKeeper) {
    this.#directory = directory
    this.#keeper = keeper
  }

  attach(queue: PresentQueue): void {
    this.#queue = queue
  }

  get isIdle(): boolean {
    return this.#isPresent && this.joining === 0 && this.#queue!.size === 0
  }

  /** Makes what is missing. `foreign`: something that is somebody else's lock is in the way. @throws DirectoryDenied; what a system error means. */
  open(): 'open' | 'foreign' {
    this.#appear()
    const opened = this.#directory.open()
    if (opened === 'open') this.bell ??= new Bell(this.#queue!, this.#keeper.client)
    return opened
  }

  /** Called when a ticket has left, or could not be made. If there is no other ticket, the presence ends `lingerMs` from now, unless it is used again. */
  onLeft(lingerMs: number): void {
    if (this.#queue!.size > 0 || this.joining > 0) return
    // Released while the process exits, after this has left.
    if (!this.#isPresent) return this.#end()
    if (lingerMs === 0 || this.bell === undefined) return this.leave()
    this.idleSinceMs = monotonicNowMs()
    becomeIdle(this)
    this.#linger.start(lingerMs)
  }

  /** Ends the presence now. Tickets that hold go on holding, until they are released or the kernel closes them. */
  leave(): void {
    this.#linger.stop()
    if (!this.#isPresent) return
    this.#isPresent = false
    forgetIdle(this)
    this.#queue!.leave()
    if (this.#queue!.size > 0) this.#keeper.onAway()
    else this.#end()
  }

  #end(): void {
    if (this.bell !== undefined) this.#queue!.tidy()
    this.bell?.close()
    this.bell = undefined
    debug('%s: left', this.#directory.path)
    this.#keeper.onAway()
  }

  #appear(): void {
    if (this.#isPresent) return
    this.#isPresent = true
    this.#keeper.onPresent()
  }

  #onLinger(): void {
    if (this.isIdle) this.leave()
  }
}
