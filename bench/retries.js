/** The option `retries` of proper-lockfile and of its drop-in: pauses of 10 to 100 ms; or of a second, then doubled, as with `retries: N`. */
export const RETRIES = {
  quick: { forever: true, minTimeout: 10, maxTimeout: 100, factor: 1.5, randomize: true },
  default: 10,
}
