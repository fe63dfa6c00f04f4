/** The option `atLeast`: a lock stays held for some time after its grant, and the process stays alive for that time. */
import { setTimeout, clearTimeout, monotonicNowMs } from '../real-time.ts'

/** How long a lock must stay held. */
export interface MinimumHold {
  /** Resolves when the time is over. Undefined once it is. */
  readonly over: Promise<void> | undefined
  /** The time is over `ms` from now, or later if it was so before. */
  extend(ms: number): void
  /** The time is over now. */
  end(): void
}

/** @param ms counted from now. */
export function startMinimumHold(ms: number): MinimumHold {
  let untilMs = monotonicNowMs() + ms
  let timer: NodeJS.Timeout | undefined
  let resolve!: () => void
  let over: Promise<void> | undefined = new Promise<void>((done) => (resolve = done))
  const end = (): void => {
    clearTimeout(timer)
    over = undefined
    resolve()
  }
  // A timer can fire a fraction of a millisecond early, by the clock that counts here.
  const look = (): void => {
    const leftMs = untilMs - monotonicNowMs()
    if (leftMs > 0) timer = setTimeout(look, Math.ceil(leftMs))
    else end()
  }
  look()
  return {
    get over() {
      return over
    },
    extend(more) {
      untilMs = Math.max(untilMs, monotonicNowMs() + more)
    },
    end,
  }
}
