/** Formats a duration, short enough for a table. */
const UNITS: readonly (readonly [seconds: number, name: string])[] = [
  [86_400, 'd'],
  [3600, 'h'],
  [60, 'min'],
  [1, 's'],
]

/** Uses two units at most: `4 s`, `3 min 10 s`, `2 d 4 h`. */
export function formatDuration(ms: number): string {
  let rest = Math.max(0, Math.floor(ms / 1000))
  const words: string[] = []
  for (const [seconds, name] of UNITS) {
    const count = Math.floor(rest / seconds)
    rest %= seconds
    if (count > 0) words.push(`${count} ${name}`)
    else if (words.length > 0) break
    if (words.length === 2) break
  }
  return words.length === 0 ? '0 s' : words.join(' ')
}
