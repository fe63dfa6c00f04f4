// What is made of many numbers. Pure.

/** The value below which a part `q` (0 to 1) of `values` lies, interpolated between neighbours. NaN of none. */
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

/** Median, least, greatest, and of how many. */
export function spread(values) {
  return { median: median(values), min: quantile(values, 0), max: quantile(values, 1), count: values.length }
}

export function sum(values) {
  return values.reduce((total, value) => total + value, 0)
}

/** Jain's fairness index: 1 where all got the same, 1/n where one got everything. NaN where nobody got anything. */
export function jain(shares) {
  return sum(shares) ** 2 / (shares.length * sum(shares.map((share) => share ** 2)))
}

/** What of `ofs` is to what of `overs`, repetition by repetition; those that lack one of the two are left out. */
export function pairedRatios(ofs, overs) {
  return ofs.map((of, index) => of / overs[index]).filter((ratio) => Number.isFinite(ratio))
}
