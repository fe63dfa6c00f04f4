/** Looks whether somebody waits, and tells the holders who want to know: now and then, for as long as any of them does. */
import type { PartyGrant } from './party-grant.ts'

/** How often it is looked, in ms. A look is one listing. */
const WANTED_MS = 1000

export class WantedWatch {
  readonly #holders: ReadonlySet<PartyGrant>
  readonly #isWanted: () => boolean
  #timer: NodeJS.Timeout | undefined

  constructor(holders: ReadonlySet<PartyGrant>, isWanted: () => boolean) {
    this.#holders = holders
    this.#isWanted = isWanted
  }

  look(): void {
    if (![...this.#holders].some((grant) => grant.isWatching)) return this.stop()
    if (!this.#isWanted()) {
      this.#timer ??= setInterval(() => this.look(), WANTED_MS).unref()
      return
    }
    for (const grant of this.#holders) grant.tellWanted()
    this.stop()
  }

  stop(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
  }
}
