/** The timer that looks after the tickets in use of one presence. It does not keep the process alive. */
import { setInterval, clearInterval } from '../../../real-time.ts'

/** How often a holder looks whether its ticket is still there, in ms. */
const LOOK_MS = 1000
/** Every so many looks it touches it as well, so that cleaners of temporary directories see that it is in use. */
const LOOKS_PER_TOUCH = 30

/** What is looked after. */
export interface Watched {
  /** The tickets in use. While there are none the timer ends, and is started again by whoever makes one. */
  readonly own: ReadonlyMap<string, unknown>
  /** Looks whether all is well with the own tickets. Whether that has to be done closely: one holds, or could not be taken out. */
  lookAfterOwn(touch: boolean): boolean
}

export class TicketWatch {
  private timer: NodeJS.Timeout | undefined
  /** Whether the timer looks often. */
  private isClose = false
  private looks = 0

  /**
   * Looks after the tickets for as long as there are any: closely where one holds, or could not be taken out. Those that wait
   * look by themselves, and need only be touched.
   */
  start(watched: Watched, closely: boolean): void {
    if (this.timer !== undefined && (this.isClose || !closely)) return
    this.restart(watched, closely)
  }

  stop(): void {
    clearInterval(this.timer)
    this.timer = undefined
  }

  private restart(watched: Watched, closely: boolean): void {
    clearInterval(this.timer)
    this.isClose = closely
    this.timer = setInterval(() => this.look(watched), closely ? LOOK_MS : LOOK_MS * LOOKS_PER_TOUCH).unref()
  }

  private look(watched: Watched): void {
    if (watched.own.size === 0) return this.stop()
    this.looks += 1
    const needsCloseWatch = watched.lookAfterOwn(!this.isClose || this.looks % LOOKS_PER_TOUCH === 0)
    if (this.isClose !== needsCloseWatch) this.restart(watched, needsCloseWatch)
  }
}
