/**
 * Decides which statements of a session the server keeps prepared: statements that are repeated soon. Parsing a statement costs the server about as much as
 * executing it (measured: docs/performance-engines.md). The texts differ from lock to lock, because they say who asks, so their number has to be limited.
 */

/** How many statements that aren't prepared are remembered. */
const MOST_RECENT = 8
/** How many statements the server keeps prepared for one session, about 10 kB each. */
export const MOST_PREPARED = 64

export class Prepared {
  readonly #names = new Map<string, string>()
  #recent: string[] = []

  /** Returns the name under which `text` is prepared, or is to be prepared now. Undefined if it is to be sent unprepared. */
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

  /** If true, the session should be replaced by a new one when it is idle: prepared statements are never removed. */
  get isFull(): boolean {
    return this.#names.size >= MOST_PREPARED
  }
}
