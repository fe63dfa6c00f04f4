/**
 * Orders the callbacks of grants that come at the same time. An engine may grant several requests for one name
 * together, even if requests for other names, which need no waiting either, were made between them.
 *
 * Grants that come before the microtask queue is empty count as coming at the same time. Grants of requests that had waited keep the order in which they come, which is
 * the order of the releases. The others are called in the order of their requests.
 */
import type { Grant } from '../requests/engine.ts'
import { inNextTurn, isTurnDue } from '../requests/event-loop.ts'
import { setImmediate, nextTick } from '../real-time.ts'

interface Come {
  readonly number: number
  readonly hasWaited: boolean
  readonly isRefusal: boolean
  readonly resolve: () => void
}

export class OrderOfCalls {
  #lastNumber = 0
  #come: Come[] = []

  /** Returns the number of a new request. */
  next(): number {
    this.#lastNumber += 1
    return this.#lastNumber
  }

  /** To be called when a request was granted or refused. Resolves when its callback is to be called. */
  come(number: number, grant: Grant | null): Promise<void> {
    return new Promise((resolve) => {
      // If the engine does not say whether it has waited, callbacks are called in the order in which grants come.
      const hasWaited = grant !== null && grant.hasWaited !== false
      this.#come.push({ number, hasWaited, isRefusal: grant === null, resolve })
      // Called when the microtask queue is empty: until then another grant may come.
      if (this.#come.length === 1) nextTick(() => this.#callAllPaced())
    })
  }

  /** A refusal takes a turn of the event loop, and so do grants from time to time: see event-loop.ts. */
  #callAllPaced(): void {
    if (this.#come.some(({ isRefusal }) => isRefusal)) setImmediate(() => this.#callAll())
    else if (isTurnDue()) inNextTurn(() => this.#callAll(), undefined)
    else this.#callAll()
  }

  #callAll(): void {
    const come = this.#come
    this.#come = []
    const byNumber = come.filter(({ hasWaited }) => !hasWaited).sort((a, b) => a.number - b.number)
    for (const one of come) (one.hasWaited ? one : byNumber.shift()!).resolve()
  }
}
