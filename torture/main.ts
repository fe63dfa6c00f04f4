/**
 * The torture tests: npm run torture -- [--seconds 60] [--processes 12] [--seed N] [--round SEED] [--keep-going]
 * [--keep-traces] [--dangerous]
 *
 * Plays rounds of random programs under random nemeses until the time is over. Each round has its own seed: --round plays
 * only that one. --dangerous also sets the clock of the machine. If anything is found, it exits with 1 and keeps the traces.
 */
import { rmSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { Random } from '../src/testing/random.ts'
import { THIS_BUILD } from './arena.ts'
import { buildWithoutBelt } from './builds.ts'
import { limitsOfThisMachine } from './limits.ts'
import type { RoundPlan } from './plan.ts'
import { planRound } from './plan.ts'
import { describePlan, describeResult, describeTotals } from './report.ts'
import type { RoundResult } from './round.ts'
import { playRound } from './round.ts'

const ROUND_SECONDS = 10

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    processes: { type: 'string', default: '12' },
    seed: { type: 'string', default: String(Math.floor(Math.random() * 2 ** 32)) },
    round: { type: 'string' },
    'keep-going': { type: 'boolean', default: false },
    'keep-traces': { type: 'boolean', default: false },
    dangerous: { type: 'boolean', default: false },
  },
})
const [seconds, processes, seed] = (['seconds', 'processes', 'seed'] as const).map((name) => {
  if (!/^\d+$/.test(values[name])) throw new RangeError(`--${name} must be a whole number, not ${values[name]}`)
  return Number(values[name])
}) as [number, number, number]

const interrupted = new AbortController()
process.once('SIGINT', () => interrupted.abort())
process.once('SIGTERM', () => interrupted.abort())
const withoutBelt = buildWithoutBelt()
try {
  process.exitCode = (await playAll()) ? 0 : 1
} finally {
  rmSync(withoutBelt, { recursive: true, force: true })
}

/** Returns false if anything was found. */
async function playAll(): Promise<boolean> {
  const { limits, missing } = limitsOfThisMachine({
    seconds: Math.min(seconds, ROUND_SECONDS),
    processes,
    dangerous: values.dangerous,
  })
  for (const what of missing) console.log(what)
  console.log(`--seconds ${seconds} --processes ${processes} --seed ${seed}`)
  const random = new Random(seed)
  const totals = new Map<string, number>()
  const endMs = performance.now() + seconds * 1000
  let isSound = true
  do {
    const plan = planRound(values.round === undefined ? random.below(2 ** 32) : Number(values.round), limits)
    console.log(describePlan(plan))
    const result = await play(plan)
    console.log(describeResult(result))
    for (const [what, count] of result.totals) totals.set(what, (totals.get(what) ?? 0) + count)
    totals.set('rounds', (totals.get('rounds') ?? 0) + 1)
    if (result.findings.length > 0) isSound = false
  } while ((isSound || values['keep-going']) && performance.now() < endMs && !interrupted.signal.aborted)
  console.log(describeTotals(totals, isSound))
  return isSound
}

async function play(plan: RoundPlan): Promise<RoundResult> {
  return await playRound(plan, {
    build: plan.hasBelt ? THIS_BUILD : withoutBelt,
    keepTraces: values['keep-traces'],
    interrupted: interrupted.signal,
  })
}
