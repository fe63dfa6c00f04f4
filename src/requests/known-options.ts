/** Refuses unknown options: if a misspelt option were ignored, the call would get another lock than its caller wanted. */

/** Hints for options of similar libraries, by the name of the option. */
export type OptionHints = Readonly<Record<string, string>>

/**
 * @param of the call that the options are for, as the message shows it: `slocket()`.
 * @throws TypeError that names the first unknown option, and the nearest known one.
 */
export function checkKnownOptions(
  options: object,
  known: ReadonlySet<string>,
  of: string,
  hints: OptionHints = {},
): void {
  for (const name of Object.keys(options)) {
    if (known.has(name)) continue
    // `{ ...options, timeout: undefined }` removes an option for a call that doesn't have it.
    if ((options as Record<string, unknown>)[name] === undefined && Object.hasOwn(hints, name)) continue
    throw new TypeError(`unknown option '${name.slice(0, 50)}' of ${of}: ${advice(name, known, hints)}`)
  }
}

function advice(name: string, known: ReadonlySet<string>, hints: OptionHints): string {
  if (Object.hasOwn(hints, name)) return hints[name]!
  const nearest = nearestOf(name, known)
  return nearest === undefined ? `known are ${[...known].join(', ')}` : `did you mean '${nearest}'?`
}

/** Returns the nearest known name. Undefined if none is similar. */
function nearestOf(name: string, known: ReadonlySet<string>): string | undefined {
  const lower = name.slice(0, 50).toLowerCase()
  let nearest: string | undefined
  let least = Math.max(2, Math.floor(lower.length / 3)) + 1
  for (const candidate of known) {
    const distance = editDistance(lower, candidate.toLowerCase())
    if (distance < least) [nearest, least] = [candidate, distance]
  }
  return nearest
}

/** The Levenshtein distance, computed one row of the table at a time. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i]
    for (let j = 1; j <= b.length; j += 1) {
      const replaced = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min(replaced, row[j]! + 1, next[j - 1]! + 1))
    }
    row = next
  }
  return row[b.length]!
}
