// Statistics. Pure.

/** The quantile `q` (0 to 1) of `values`, interpolated between neighbours. NaN if there are none. */
export function quantile(values, q) {
  if (values.length === 0) return Number.NaN
  const sorted = Float64Array.from(values).sort()
  const position = (sorted.length - 1) * q
  const below = Math.floor(position)
  const above = Math.ceil(position)
  return sorted[below] + (sorted[above] - sorted[below]) * (position - below)
}

export function median(values) {
  return quantile(values, 0.5)
}

/** Median, least, greatest, and the number of values. */
export function spread(values) {
  return { median: median(values), min: quantile(values, 0), max: quantile(values, 1), count: values.length }
}

export function sum(values) {
  return values.reduce((total, value) => total + value, 0)
}

/** Jain's fairness index: 1 if all got the same, 1/n if one got everything, NaN if nobody got anything. */
export function jain(shares) {
  return sum(shares) ** 2 / (shares.length * sum(shares.map((share) => share ** 2)))
}

/** The ratios of `ofs` to `overs`, repetition by repetition. Repetitions that lack one of the two are left out. */
export function pairedRatios(ofs, overs) {
  return ofs.map((of, index) => of / overs[index]).filter((ratio) => Number.isFinite(ratio))
}

/**
 * The time from each release to the next grant, in the order of the releases, of a lock that one client holds at a time. A release without a
 * later grant is left out.
 *
 * @throws Error if two held at the same time.
 */
export function gaps(releases, grants) {
  const released = Float64Array.from(releases).sort()
  const granted = Float64Array.from(grants).sort()
  const followed = Array.from(released.slice(0, Math.max(0, granted.length - 1)))
  return followed.map((release, index) => {
    if (release < granted[index] || release > granted[index + 1]) throw new Error('two held at one time')
    return granted[index + 1] - release
  })
}
