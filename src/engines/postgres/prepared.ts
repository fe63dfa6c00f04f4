/**
 * Which statements of a session the server keeps prepared: those that were asked for again soon after, since reading one costs the server about as much as
 * executing it. (Which share: docs/performance-engines.md.) The texts of a lock are its own, for they tell who asks; so they are many, and must not pile up.
 */

/** Of how many that were not prepared it is known that they were asked for. */
const MOST_RECENT = 8
/** What the server keeps for one session. About 10 kB each. */
export const MOST_PREPARED = 64

export class Prepared {
  readonly #names = new Map<string, string>()
  #recent: string[] = []

  /** By which name `text` is prepared, or is to be prepared now. Undefined where it is to be sent as it is. */
  nameOf(text: string): string | undefined {
    const known = this.#names.get(text)
    if (known !== undefined) return known
    if (!this.#recent.includes(text)) {
      this.#recent = [text, ...this.#recent.slice(0, MOST_RECENT - 1)]
      return undefined
    }
    if (this.isFull) return undefined
    const name = `slocket_${this.#names.size}`
    this.#names.set(text, name)
    return name
  }

  /** Then the session should make room for a new one, when it is idle: nothing is ever taken from it. */
  get isFull(): boolean {
    return this.#names.size >= MOST_PREPARED
  }
}
