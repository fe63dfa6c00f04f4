/** Which thread, of all processes, this is; and which one it stands in for, where it is a stand-in. For people to be told of, and no more. */

let own: string | undefined
let standsFor: string | undefined

/** The same for the life of this thread, and of no other. */
export function threadIdentity(): string {
  own ??= [Math.random(), Math.random()].map((random) => random.toString(36).slice(2)).join('')
  return own
}

/** What this thread has, it has in the place of that one. */
export function standInFor(identity: string): void {
  standsFor = identity
}

/** Undefined where this thread has for itself what it has. */
export function identityStoodInFor(): string | undefined {
  return standsFor
}
