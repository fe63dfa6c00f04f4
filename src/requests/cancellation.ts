/**
 * Cancels one wait. It is lighter than an AbortController: that costs as much as a whole uncontended acquire, and so does each listener to
 * its signal. Usually there is one listener at a time; only further ones need a Set.
 */
export class Cancellation {
  /** Set by {@link cancel} only. */
  cancelled: boolean = false
  private first: (() => void) | undefined = undefined
  private others: Set<() => void> | undefined = undefined

  /** Calls `listener` once when {@link cancel} is called, unless {@link stopListening} comes first. If it is already cancelled, calls `listener` at once. */
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
