/**
 * How long the retries of proper-lockfile would last. It uses the package retry 0.12, and takes its options: it tries
 * at once, and then after each of a series of timeouts. Here, the same time is spent in the queue.
 */

/** How often and when to retry, as the options of the package retry. The retries determine how long the call waits. */
export interface RetryOptions {
  /** The number of retries. Default: `10`. */
  retries?: number | undefined
  /** The factor by which each timeout is longer than the one before. Default: `2`. */
  factor?: number | undefined
  /** The first timeout, in milliseconds. Default: `1000`. */
  minTimeout?: number | undefined
  /** The longest timeout, in milliseconds. Default: `Infinity`. */
  maxTimeout?: number | undefined
  /** Whether each timeout is multiplied by a random factor from 1 to 2. Default: `false`. */
  randomize?: boolean | undefined
  /** Whether to wait without a limit, except for `maxRetryTime`. Default: `false`. */
  forever?: boolean | undefined
  /** Has no effect: waiting keeps the process alive. */
  unref?: boolean | undefined
  /** The time after which there are no more retries, in milliseconds. Default: no limit. */
  maxRetryTime?: number | undefined
}

/** The longest delay that a timer takes, in ms: 24 days. */
const MOST_MS = 2 ** 31 - 1
/** The maximum number of retries that are counted. */
const MOST_RETRIES = 100_000

const DEFAULTS = { retries: 10, factor: 2, minTimeout: 1000, maxTimeout: Infinity, randomize: false }

/**
 * How long to wait, in ms. 0: only if it is free; undefined: without a limit.
 *
 * @throws Error if the first timeout is longer than the longest.
 */
export function waitOf(retries: number | RetryOptions | readonly number[] | null | undefined): number | undefined {
  const options = typeof retries === 'number' ? { retries } : retries || { retries: 0 }
  if (isRow(options)) return lastTry(options, Infinity)
  const all = { ...DEFAULTS, ...options }
  if (Number(all.minTimeout) > Number(all.maxTimeout)) throw new Error('minTimeout is greater than maxTimeout')
  const limit = all.maxRetryTime || Infinity
  if (all.forever !== true) return lastTry(timeoutsOf(all), limit)
  return limit === Infinity ? undefined : Math.min(limit, MOST_MS)
}

function isRow(options: RetryOptions | readonly number[]): options is readonly number[] {
  return Array.isArray(options)
}

/** In ascending order, as it takes them. */
function timeoutsOf({ retries, factor, minTimeout, maxTimeout, randomize }: RetryOptions): number[] {
  const timeouts: number[] = []
  const count = Math.min(Number(retries), MOST_RETRIES)
  for (let attempt = 0; attempt < count; attempt += 1) {
    const random = randomize === true ? 1 + Math.random() : 1
    const timeout = Math.round(random * Number(minTimeout) * Number(factor) ** attempt)
    timeouts.push(Math.min(timeout, Number(maxTimeout)))
  }
  return timeouts.sort((a, b) => a - b)
}

/** The time of the last try: after a try at the limit, or later, there is no other. */
function lastTry(timeouts: readonly number[], limit: number): number {
  let waited = 0
  for (const timeout of timeouts) {
    if (waited >= limit || waited >= MOST_MS) break
    // A timeout that isn't a number passes at once.
    if (timeout > 0) waited += timeout
  }
  return Math.min(waited, MOST_MS)
}
