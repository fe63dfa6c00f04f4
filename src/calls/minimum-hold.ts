/** The option `atLeast`: a lock stays held for some time after its grant, and the process stays alive for that time. */
import { debug } from '../debug.ts'
import { setTimeout, clearTimeout, monotonicNowMs } from '../real-time.ts'
import { isExiting } from '../requests/exiting.ts'

/** How long a lock must stay held. */
export interface MinimumHold {
  readonly isOver: boolean
  /** Extends the time to at least `ms` from now. */
  extend(ms: number): void
  /** Ends the time now. */
  end(): void
  /** Calls `release` once the time is over or this process exits; at once if that is already so. Settles as `release` does. Must be called only once. */
  whenOver(release: () => Promise<void>): Promise<void>
}

/** The locks that this thread has to release if it exits before the time is over: the caller has released them already. */
const delayed = new Set<() => Promise<void>>()

/** @param ms counted from now. */
export function startMinimumHold(ms: number): MinimumHold {
  let untilMs = monotonicNowMs() + ms
  let timer: NodeJS.Timeout | undefined
  let resolve!: () => void
  let isOver = false
  const over = new Promise<void>((done) => (resolve = done))
  const end = (): void => {
    clearTimeout(timer)
    isOver = true
    resolve()
  }
  // A timer can fire a fraction of a millisecond early by the clock that is used here.
  const look = (): void => {
    const leftMs = untilMs - monotonicNowMs()
    if (leftMs > 0) timer = setTimeout(look, Math.ceil(leftMs))
    else end()
  }
  look()
  return {
    get isOver() {
      return isOver
    },
    extend(more) {
      untilMs = Math.max(untilMs, monotonicNowMs() + more)
    },
    end,
    async whenOver(release) {
      // Called at once: while a process exits, no promise continues.
      if (isOver || isExiting()) return await release()
      const stop = releaseAtExit(release)
      await over
      return await stop()
    },
  }
}

/** Calls `release` when this process exits, unless the returned function is called before. That function calls `release`, too, if it wasn't called yet. */
function releaseAtExit(release: () => Promise<void>): () => Promise<void> {
  let releasing: Promise<void> | undefined
  const once = (): Promise<void> => (releasing ??= release())
  if (delayed.size === 0) process.on('exit', releaseAll)
  delayed.add(once)
  return () => {
    delayed.delete(once)
    if (delayed.size === 0) process.off('exit', releaseAll)
    return once()
  }
}

function releaseAll(): void {
  for (const release of delayed) release().catch((error: unknown) => debug('a release at exit: %s', error))
}
