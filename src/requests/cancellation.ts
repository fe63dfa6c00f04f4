/**
 * Calls off one wait. Lighter than an AbortController, which costs as much as a whole uncontended acquire, and each listener
 * to its signal as much again.
 */
export class Cancellation {
  #cancelled = false
  readonly #listeners = new Set<() => void>()

  get cancelled(): boolean {
    return this.#cancelled
  }

  /** Calls `listener` once when {@link cancel} is called, until {@link stopListening}; at once if it was. */
  listen(listener: () => void): void {
    if (this.#cancelled) listener()
    else this.#listeners.add(listener)
  }

  stopListening(listener: () => void): void {
    this.#listeners.delete(listener)
  }

  cancel(): void {
    if (this.#cancelled) return
    this.#cancelled = true
    const listeners = [...this.#listeners]
    this.#listeners.clear()
    for (const listener of listeners) listener()
  }
}
