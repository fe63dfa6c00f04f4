/** Looks whether somebody waits, and tells the holders who want to know: now and then, for as long as any of them does. */
import type { PartyGrant } from './party-grant.ts'
import { setInterval, clearInterval } from '../real-time.ts'

/** How often it is looked, in ms. A look is one listing. */
const WANTED_MS = 1000

export class WantedWatch {
  readonly #holders: ReadonlySet<PartyGrant>
  readonly #isWanted: () => boolean | Promise<boolean>
  #timer: NodeJS.Timeout | undefined
  /** A look whose answer has not come. */
  #looking: Promise<boolean> | undefined

  constructor(holders: ReadonlySet<PartyGrant>, isWanted: () => boolean | Promise<boolean>) {
    this.#holders = holders
    this.#isWanted = isWanted
  }

  look(): void {
    if (![...this.#holders].some((grant) => grant.isWatching)) return this.stop()
    this.#timer ??= setInterval(() => this.look(), WANTED_MS).unref()
    if (this.#looking !== undefined) return
    const wanted = this.#isWanted()
    if (wanted === true) this.#tell()
    else if (wanted !== false) void this.#await(wanted)
  }

  async #await(looking: Promise<boolean>): Promise<void> {
    this.#looking = looking
    const isWanted = await looking
    if (this.#looking !== looking) return
    this.#looking = undefined
    if (isWanted) this.#tell()
  }

  #tell(): void {
    this.stop()
    for (const grant of this.#holders) grant.tellWanted()
  }

  stop(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
    this.#looking = undefined
  }
}
