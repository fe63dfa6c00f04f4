/**
 * In which order callbacks are called whose grants come at once. An engine may grant together what several requests for one name have
 * asked for, though requests for other names, which need no waiting either, were made between them.
 *
 * All that come before the microtask queue is empty come at once. Those that had waited keep the order in which they come, which is
 * that of the releases; those that had not are called in the order of their requests.
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

  /** The number of the request that is made now. */
  next(): number {
    this.#lastNumber += 1
    return this.#lastNumber
  }

  /** The grant of a request has come, or a refusal: resolves when it is to be called. */
  come(number: number, grant: Grant | null): Promise<void> {
    return new Promise((resolve) => {
      // If the engine does not tell whether it has waited, it is called in the order in which grants come.
      const hasWaited = grant !== null && grant.hasWaited !== false
      this.#come.push({ number, hasWaited, isRefusal: grant === null, resolve })
      // When the microtask queue is empty: what it still has in it may be another one.
      if (this.#come.length === 1) nextTick(() => this.#callAllPaced())
    })
  }

  /** See event-loop.ts: a refusal takes a turn of the event loop, and so do grants now and then. */
  #callAllPaced(): void {
    if (this.#come.some(({ isRefusal }) => isRefusal)) setImmediate(() => this.#callAll())
    else if (isTurnDue()) inNextTurn(() => this.#callAll())
    else this.#callAll()
  }

  #callAll(): void {
    const come = this.#come
    this.#come = []
    const byNumber = come.filter(({ hasWaited }) => !hasWaited).sort((a, b) => a.number - b.number)
    for (const one of come) (one.hasWaited ? one : byNumber.shift()!).resolve()
  }
}
