/**
 * In which order callbacks are called whose grants come at once. An engine may grant together what several requests for one name have
 * asked for, though requests for other names, which need no waiting either, were made between them.
 *
 * All that come before the microtask queue is empty come at once. Those that had waited keep the order in which they come, which is
 * that of the releases; those that had not are called in the order of their requests.
 */

interface Come {
  readonly number: number
  readonly hasWaited: boolean
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
  come(number: number, hasWaited: boolean): Promise<void> {
    return new Promise((resolve) => {
      this.#come.push({ number, hasWaited, resolve })
      // When the microtask queue is empty: what it still has in it may be another one.
      if (this.#come.length === 1) process.nextTick(() => this.#callAll())
    })
  }

  #callAll(): void {
    const come = this.#come
    this.#come = []
    const byNumber = come.filter(({ hasWaited }) => !hasWaited).sort((a, b) => a.number - b.number)
    for (const one of come) (one.hasWaited ? one : byNumber.shift()!).resolve()
  }
}
