/** Identifies this thread among those of all processes, and the thread that it acts for, if it is a worker of `slocket.sync`. For display only. */

let own: string | undefined
let other: string | undefined

/** Stays the same for the life of this thread. No other thread has it. */
export function threadIdentity(): string {
  own ??= [Math.random(), Math.random()].map((random) => random.toString(36).slice(2)).join('')
  return own
}

/** From now on, this thread has what it has for the thread `identity`. */
export function actFor(identity: string): void {
  other = identity
}

/** The thread that this one acts for. Undefined if it acts for itself. */
export function actsFor(): string | undefined {
  return other
}
