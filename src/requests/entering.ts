/**
 * A party's way into the queue. Parties of one process enter in the order of their requests, so each waits for those ahead
 * of it. But for a try, or a thief: if the one ahead of it is still on its way, such a one may come first.
 */
export class Entering {
  /** The nearest one ahead, of this process, that had not ended when that was last looked at. */
  #ahead: Entering | undefined
  #hasEnded = false
  #end: { readonly promise: Promise<void>; readonly resolve: () => void } | undefined

  /**
   * `entering` where it has not ended, else the nearest one ahead of it that has not. There may be one: a try enters without
   * waiting for those ahead, and one that was called off before it had entered ends without having waited for them.
   */
  static #nearest(entering: Entering | undefined): Entering | undefined {
    let nearest = entering
    while (nearest !== undefined && nearest.#hasEnded) nearest = nearest.#ahead
    return nearest
  }

  /** Whether anybody ahead of it is still on the way. */
  get hasAhead(): boolean {
    return Entering.#nearest(this.#ahead) !== undefined
  }

  comeBehind(ahead: Entering | undefined): void {
    this.#ahead = Entering.#nearest(ahead)
  }

  /** Resolves once all ahead have ended. */
  async waitForAhead(): Promise<void> {
    while (this.#ahead !== undefined) {
      await this.#ahead.#whenEnded()
      this.#ahead = Entering.#nearest(this.#ahead)
    }
  }

  /** It has entered, or never will. */
  end(): void {
    this.#hasEnded = true
    // Those that overlap for ever, as tries for permits may, must not keep all that came before them.
    this.#ahead = Entering.#nearest(this.#ahead)
    this.#end?.resolve()
  }

  #whenEnded(): Promise<void> {
    if (this.#end === undefined) {
      let resolve: () => void = () => {}
      const promise = new Promise<void>((done) => (resolve = done))
      this.#end = { promise, resolve }
    }
    return this.#end.promise
  }
}
