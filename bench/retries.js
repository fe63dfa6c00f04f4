/** The `retries` of proper-lockfile, and of its drop-in. */
export const RETRIES = { forever: true, minTimeout: 10, maxTimeout: 100, factor: 1.5, randomize: true }
