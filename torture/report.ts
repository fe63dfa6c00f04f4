/** What is printed about a round, and at the end. */
import type { RoundPlan } from './plan.ts'
import type { RoundResult } from './round.ts'

/** How many findings of one round are printed; the traces have all. */
const MOST_SHOWN = 10

export function describePlan({ seed, processes, locks, habitats, behaviour, hasBelt, nemeses }: RoundPlan): string {
  const counts = new Map<string, number>()
  for (const habitat of habitats) counts.set(habitat, (counts.get(habitat) ?? 0) + 1)
  return [
    `--round ${seed} --processes ${processes}${hasBelt ? '' : ', no look once a second'}`,
    `  clients: ${[...counts].map(([habitat, count]) => `${count} ${habitat}`).join(', ')}; ${behaviour.actors} actors each`,
    `  locks: ${locks.map(({ id, place, claims, isFragile }) => `${id} (${place}; ${claims.join(' ')}${isFragile ? '; fragile' : ''})`).join(', ')}`,
    `  nemeses: ${Object.keys(nemeses).join(', ')}`,
  ].join('\n')
}

export function describeResult({ findings, totals, traces }: RoundResult): string {
  const counts = [...totals].map(([what, count]) => `${count} ${what}`).join(', ')
  if (findings.length === 0) return `  sound: ${counts}${traces === undefined ? '' : `; traces: ${traces}`}`
  const shown = findings.slice(0, MOST_SHOWN).map(({ rule, at, what }) => `  ${rule}, at ${at}: ${what}`)
  return [`  FOUND ${findings.length}; traces: ${traces}; ${counts}`, ...shown].join('\n')
}

export function describeTotals(totals: ReadonlyMap<string, number>, isSound: boolean): string {
  const counts = [...totals].map(([what, count]) => `${count.toLocaleString('en')} ${what}`).join(', ')
  return `${isSound ? 'sound' : 'NOT SOUND'}: ${counts}`
}
