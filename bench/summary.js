// From what was measured to what is shown: medians, spreads, ratios, targets met and missed. Pure.
import { SLOCKET } from './contestants/index.js'
import { pairedRatios, spread } from './statistics.js'

/** The median and spread of one number, or undefined where there is none. */
export function summarize(definition, runs, metric) {
  const measured = runs.filter((run) => run?.metrics !== undefined).map((run) => run.metrics)
  const values = measured.map((metrics) => metrics[metric]).filter((value) => Number.isFinite(value))
  if (values.length === 0) return undefined
  const pooled = definition.pool?.(measured)
  return { ...spread(values), ...(pooled?.[metric] === undefined ? {} : { median: pooled[metric] }) }
}

/** Why there is no number, in a few words. */
export function failure(runs) {
  return runs.find((run) => run?.error !== undefined)?.error
}

/** How many of those repetitions that were tried failed. */
export function failures(runs) {
  return {
    failed: runs.filter((run) => run?.error !== undefined).length,
    tried: runs.filter((run) => run !== null).length,
  }
}

/** What `of` is to `over`, in the repetitions that have both. */
export function ratio(contestants, metric, of, over) {
  const values = (name) => (contestants[name] ?? []).map((run) => run?.metrics?.[metric] ?? Number.NaN)
  const ratios = pairedRatios(values(of), values(over))
  return ratios.length === 0 ? undefined : spread(ratios)
}

/** Each target whose case was run, with what was reached: { target, reached, isMet }; without `reached` where it cannot be said. */
export function judge(targets, cases, results) {
  return targets.flatMap((target) => {
    const contestants = results.cases[target.case]?.[target.point]
    const definition = cases.find(({ name }) => name === target.case)
    if (contestants === undefined) return []
    const reached =
      target.over === undefined
        ? summarize(definition, contestants[SLOCKET], target.metric)
        : ratio(contestants, target.metric, SLOCKET, target.over)
    if (reached === undefined) return [{ target }]
    const isMet = reached.median <= (target.most ?? Infinity) && reached.median >= (target.least ?? -Infinity)
    return [{ target, reached, isMet }]
  })
}
