/**
 * Calls off one wait. Lighter than an AbortController, which costs as much as a whole uncontended acquire:
 * the `AbortSignal` exists only once somebody asks for it.
 */
export class Cancellation {
  #cancelled = false
  #controller: AbortController | undefined

  get cancelled(): boolean {
    return this.#cancelled
  }

  /** Aborts when {@link cancel} is called; aborted already if it was. */
  get signal(): AbortSignal {
    this.#controller ??= new AbortController()
    if (this.#cancelled) this.#controller.abort()
    return this.#controller.signal
  }

  cancel(): void {
    if (this.#cancelled) return
    this.#cancelled = true
    this.#controller?.abort()
  }
}
