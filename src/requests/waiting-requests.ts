/** Those of a party who still wait, first come, first served. One who is called off leaves by itself. */
import type { Request } from './request.ts'

/** How many that were called off are kept before they are cleared away. */
const MOST_SETTLED = 32

export class WaitingRequests {
  /** How many wait. */
  count: number = 0
  /** Those who wait, from #next on; settled ones among them were called off. */
  #requests: Request[] = []
  #next = 0
  readonly #onCalledOff: () => void

  /** @param onCalledOff one was called off, is settled, and waits no longer. */
  constructor(onCalledOff: () => void) {
    this.#onCalledOff = onCalledOff
  }

  push(request: Request): void {
    request.onAborted = () => this.#drop()
    this.#requests.push(request)
    this.count += 1
  }

  /** The first one, who then waits no longer. */
  shift(): Request | undefined {
    while (this.#next < this.#requests.length) {
      const request = this.#requests[this.#next]!
      this.#next += 1
      if (this.#next === this.#requests.length) {
        this.#requests = []
        this.#next = 0
      }
      if (request.isSettled) continue
      request.onAborted = undefined
      this.count -= 1
      return request
    }
    return undefined
  }

  takeAll(): Request[] {
    const taken: Request[] = []
    for (let request = this.shift(); request !== undefined; request = this.shift()) taken.push(request)
    return taken
  }

  forEach(act: (request: Request) => void): void {
    // What `act` calls off may have the list made anew.
    const requests = this.#requests
    for (let index = this.#next; index < requests.length; index += 1) {
      const request = requests[index]!
      if (!request.isSettled) act(request)
    }
  }

  #drop(): void {
    this.count -= 1
    // Those who were called off are not kept until their turn would have come.
    if (this.#requests.length > 2 * this.count + MOST_SETTLED) {
      this.#requests = this.#requests.slice(this.#next).filter((request) => !request.isSettled)
      this.#next = 0
    }
    this.#onCalledOff()
  }
}
