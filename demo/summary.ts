/** The closing lines. */
import type { Chronicle } from './chronicle.ts'
import type { Paint } from './paint.ts'
import type { Verdict } from './referee.ts'
import { median, takeovers } from './takeover.ts'
import { count } from './view.ts'

export function summary(chronicle: Chronicle, { lines, counter, faults }: Verdict, paint: Paint): string[] {
  const { grants, kills, killsOfHolders, stops, repaired } = chronicle
  return [
    [
      `acquisitions ${count(grants.length)}`,
      `kills ${count(kills.length)} (${count(killsOfHolders)} while holding)`,
      `stops ${count(stops.length)}`,
      `repaired after a crash ${count(repaired)}`,
    ].join('   '),
    `takeover after kill -9: ${takeoverTimes(chronicle)}`,
    ...(lines < grants.length ? [`killed before it wrote its line: ${count(grants.length - lines)}`] : []),
    agreement(lines, counter, paint),
    ...(faults.length > 0 ? [paint('alarm', 'THE LOCK HAS FAILED')] : []),
    ...faults.map((fault) => `  ${fault}`),
  ]
}

function takeoverTimes(chronicle: Chronicle): string {
  const times = takeovers(chronicle).map(({ ms }) => ms)
  const middle = median(times)
  if (middle === undefined) return 'none measured'
  return `median ${middle.toFixed(1)} ms, worst ${Math.max(...times).toFixed(1)} ms`
}

function agreement(lines: number, counter: number, paint: Paint): string {
  if (lines === counter) return `ledger and counter ${paint('good', 'agree')}: ${count(lines)} = ${count(counter)}`
  return `ledger and counter ${paint('alarm', 'DISAGREE')}: ${count(lines)} ≠ ${count(counter)}`
}
