/**
 * Cancels one wait. Lighter than an AbortController, which costs as much as a whole uncontended acquire, and each listener to its signal as
 * much again. There is one listener at a time, as a rule: only further ones cost a Set.
 */
export class Cancellation {
  /** Set by {@link cancel} alone. */
  cancelled: boolean = false
  private first: (() => void) | undefined = undefined
  private others: Set<() => void> | undefined = undefined

  /** Calls `listener` once when {@link cancel} is called, until {@link stopListening}; at once if it was. */
  listen(listener: () => void): void {
    if (this.cancelled) listener()
    else if (this.first === undefined) this.first = listener
    else (this.others ??= new Set()).add(listener)
  }

  stopListening(listener: () => void): void {
    if (this.first === listener) this.first = undefined
    else this.others?.delete(listener)
  }

  cancel(): void {
    if (this.cancelled) return
    this.cancelled = true
    const { first, others } = this
    this.first = undefined
    this.others = undefined
    first?.()
    if (others !== undefined) for (const listener of others) listener()
  }
}
