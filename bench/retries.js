/** The `retries` of proper-lockfile, and of its drop-in: of 10 to 100 ms, and of a second, doubling, as `retries: N` has them. */
export const RETRIES = {
  quick: { forever: true, minTimeout: 10, maxTimeout: 100, factor: 1.5, randomize: true },
  default: 10,
}
