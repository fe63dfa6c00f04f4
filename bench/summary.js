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

/** The ratio of one contestant's numbers to another one's, in the repetitions that have both. */
export function ratio(contestants, metric, of, over) {
  return ratioOf(contestants[of], contestants[over], metric)
}

function ratioOf(ofs, overs, metric) {
  const values = (runs = []) => runs.map((run) => run?.metrics?.[metric] ?? Number.NaN)
  const ratios = pairedRatios(values(ofs), values(overs))
  return ratios.length === 0 ? undefined : spread(ratios)
}

/**
 * Each target whose case was run, with what was reached: { target, reached, isMet }. Without `reached` if there is no number: then the target is missed if
 * the contestant failed, and not known (no `isMet`) if it was not measured, or has nothing to be compared with.
 */
export function judge(targets, cases, results) {
  return targets.flatMap((target) => {
    if (results.cases[target.case]?.[target.point] === undefined) return []
    const reached = reachedOf(target, cases, results)
    if (reached === undefined) return [hasFailed(target, results) ? { target, isMet: false } : { target }]
    const isMet = reached.median <= (target.most ?? Infinity) && reached.median >= (target.least ?? -Infinity)
    return [{ target, reached, isMet }]
  })
}

function hasFailed({ case: name, point, of = SLOCKET }, results) {
  return failure(results.cases[name][point][of] ?? []) !== undefined
}

function reachedOf({ case: name, point, metric, of = SLOCKET, over, overPoint }, cases, results) {
  const points = results.cases[name]
  const runs = points[point][of] ?? []
  if (over !== undefined) return ratioOf(runs, points[point][over], metric)
  if (overPoint !== undefined) return ratioOf(runs, points[overPoint]?.[of], metric)
  const definition = cases.find((each) => each.name === name)
  return summarize(definition, runs, metric)
}
