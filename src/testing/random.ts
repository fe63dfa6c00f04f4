/** Random choices that can be repeated with the same seed. */

export class Random {
  #state: number

  /** @param seed any whole number; only its lower 32 bits count. */
  constructor(seed: number) {
    this.#state = seed >>> 0
  }

  /** Returns a number from 0, below 1. (The generator is mulberry32.) */
  fraction(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let mixed = this.#state
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }

  /** Returns a whole number from 0, below `end`. */
  below(end: number): number {
    return Math.floor(this.fraction() * end)
  }

  /** Returns true with this probability. */
  chance(probability: number): boolean {
    return this.fraction() < probability
  }

  pick<T>(choices: readonly T[]): T {
    return choices[this.below(choices.length)]!
  }
}

/** Lets other code run for a while: some microtasks, then some turns of the event loop. */
export async function breathe(random: Random, mostTurns = 3): Promise<void> {
  const microtasks = random.below(8)
  for (let count = 0; count < microtasks; count += 1) await Promise.resolve()
  const turns = random.below(mostTurns + 1)
  for (let count = 0; count < turns; count += 1) await turn()
}

/** Waits for one turn of the event loop. */
export async function turn(): Promise<void> {
  await new Promise<void>((resolve) => setImmediate(resolve))
}
