/** Measures the idle time after the last use. Its timer goes on running through further uses, so frequent use doesn't create a timer each time. */
import { clearTimeout, monotonicNowMs, setTimeout } from '../real-time.ts'

export class Linger {
  readonly #onEnd: () => void
  #timer: NodeJS.Timeout | undefined
  #endMs = 0
  #timerEndMs = 0

  constructor(onEnd: () => void) {
    this.#onEnd = onEnd
  }

  /** Ends `ms` from now. */
  start(ms: number): void {
    const nowMs = monotonicNowMs()
    this.#endMs = nowMs + ms
    if (this.#timer !== undefined && this.#timerEndMs <= this.#endMs) return
    clearTimeout(this.#timer)
    this.#startTimer(nowMs)
  }

  stop(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  #startTimer(nowMs: number): void {
    this.#timerEndMs = this.#endMs
    this.#timer = setTimeout(() => this.#onTimer(), this.#endMs - nowMs).unref()
  }

  #onTimer(): void {
    this.#timer = undefined
    const nowMs = monotonicNowMs()
    if (nowMs < this.#endMs) this.#startTimer(nowMs)
    else this.#onEnd()
  }
}
