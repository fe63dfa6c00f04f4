/**
 * Reports who holds the lock while a call waits: `options.onWait`. It looks at the queue from time to time, as `slocket.query` does, and keeps no process
 * alive: its timers are unref'd, and a look ends with the wait.
 */
import { debug } from './debug.ts'
import type { WaitNotice } from './lock-state.ts'
import { toLockRequest } from './lock-request.ts'
import type { Engine, EngineSnapshot, Requester } from './requests/engine.ts'
import type { OwnWait } from './own-place.ts'
import { countAhead } from './own-place.ts'
import { isSameRequester } from './requests/same-requester.ts'
import { setTimeout, clearTimeout, monotonicNowMs, nextTick } from './real-time.ts'

/** The minimum time between two looks, in ms. */
const PAUSE_MS = 1000
/** The minimum time until the next look, as a multiple of how long the last look took: a look asks all waiters, and all waiters may look. */
const PAUSE_PER_LOOK = 5

/** A wait whose caller gets notices. */
export interface NoticedWait extends OwnWait {
  readonly engine: Engine
  /** The name that the engine resolved. */
  readonly resource: string
  /** How long the call may wait before the first notice, in ms. */
  readonly noticeAfterMs: number
  readonly onWait: (notice: WaitNotice) => void
}

/** The part of a look that is compared with that of another. */
type Look = Pick<EngineSnapshot, 'obstacle'> & { readonly held: readonly Requester[]; readonly ahead: number }

export class WaitNotices {
  readonly #wait: NoticedWait
  /** Ends the look in progress. */
  #controller: AbortController | undefined
  #timer: NodeJS.Timeout | undefined
  #isOver = false
  /** The look that the last notice reported. */
  #reported: Look | undefined

  constructor(wait: NoticedWait) {
    this.#wait = wait
    this.#schedule(wait.noticeAfterMs)
  }

  /** Must be called when the wait has ended, for whatever reason. No notice comes after that. */
  stop(): void {
    this.#isOver = true
    clearTimeout(this.#timer)
    this.#controller?.abort()
  }

  #schedule(ms: number): void {
    this.#timer = setTimeout(() => void this.#look(), ms).unref()
  }

  async #look(): Promise<void> {
    const { engine, resource } = this.#wait
    const sinceMs = monotonicNowMs()
    this.#controller = new AbortController()
    try {
      const snapshot = await engine.query(resource, this.#controller.signal)
      if (this.#isOver) return
      this.#notice(snapshot)
    } catch (error) {
      debug('%s: who is waited for could not be found out: %s', resource, error)
    }
    if (this.#isOver) return
    this.#schedule(Math.max(PAUSE_MS, PAUSE_PER_LOOK * (monotonicNowMs() - sinceMs)))
  }

  #notice({ held, pending, obstacle }: EngineSnapshot): void {
    const { onWait } = this.#wait
    const look: Look = { held, ahead: countAhead(pending, this.#wait), obstacle }
    // The lock is about to be granted.
    if (held.length === 0 && look.ahead === 0 && obstacle === undefined) return
    if (this.#reported !== undefined && isSame(this.#reported, look)) return
    this.#reported = look
    callOnWait(onWait, {
      held: held.map(toLockRequest),
      ahead: look.ahead,
      ...(obstacle === undefined ? {} : { obstacle }),
    })
  }
}

/** Calls `onWait`. If it throws, the error is reported as Node reports one of an event listener. */
export function callOnWait(onWait: (notice: WaitNotice) => void, notice: WaitNotice): void {
  try {
    onWait(notice)
  } catch (error) {
    nextTick(() => {
      throw error
    })
  }
}

function isSame(one: Look, other: Look): boolean {
  return (
    one.ahead === other.ahead &&
    one.obstacle?.kind === other.obstacle?.kind &&
    one.held.length === other.held.length &&
    one.held.every((holder, index) => addsNothing(holder, other.held[index]!))
  )
}

/** A holder whose process did not answer the earlier look, and answers now, is reported with what is known of it now. */
function addsNothing(holder: Requester, later: Requester): boolean {
  return isSameRequester(holder, later) && (holder.command !== undefined || later.command === undefined)
}
