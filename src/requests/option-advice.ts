/** What to write in place of an unknown option. It is loaded once there is one: scripts/build-dist.js. */
import type { OptionHints } from './known-options.ts'

export function adviceOn(name: string, known: ReadonlySet<string>, hints: OptionHints): string {
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
