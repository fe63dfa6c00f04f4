/** Which thread, of all processes, this is; and which one it acts for, if it is a worker of `slocket.sync`. For people to be told of, and no more. */

let own: string | undefined
let other: string | undefined

/** The same for the life of this thread, and of no other. */
export function threadIdentity(): string {
  own ??= [Math.random(), Math.random()].map((random) => random.toString(36).slice(2)).join('')
  return own
}

/** What this thread has, it has for that one. */
export function actFor(identity: string): void {
  other = identity
}

/** Undefined if this thread has for itself what it has. */
export function actsFor(): string | undefined {
  return other
}
