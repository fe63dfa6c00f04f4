/** The timer that checks the tickets in use of one presence. It does not keep the process alive. */
import { setInterval, clearInterval } from '../../../real-time.ts'

/** The time between two checks of a holder whether its ticket is still there, in ms. */
const LOOK_MS = 1000
/** After this many checks it also touches the ticket, so that cleaners of temporary directories see that it is in use. */
const LOOKS_PER_TOUCH = 30

/** What is checked. */
export interface Watched {
  /** The tickets in use. If there are none the timer ends, and the next ticket starts it again. */
  readonly own: ReadonlyMap<string, unknown>
  /** Checks the own tickets. Returns whether that must be done often: one holds, or could not be removed. */
  checkOwnTickets(touch: boolean): boolean
}

export class TicketWatch {
  private timer: NodeJS.Timeout | undefined
  /** Whether the timer looks often. */
  private isClose = false
  private looks = 0

  /**
   * Checks the tickets for as long as there are any: often if one holds, or could not be removed. Tickets that wait
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
    const needsCloseWatch = watched.checkOwnTickets(!this.isClose || this.looks % LOOKS_PER_TOUCH === 0)
    if (this.isClose !== needsCloseWatch) this.restart(watched, needsCloseWatch)
  }
}
