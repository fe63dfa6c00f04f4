/**
 * Whether this process (or worker thread) is exiting: `process.exit` was called, nothing is left to do, or an exception was not
 * caught. True before the first listener for `exit` is called. From then on, no lock is granted, except by `slocket.sync`.
 *
 * It stays true in the rare process that goes on (a listener for `exit` threw, and the exception was caught).
 */
export function isExiting(): boolean {
  return own._exiting === true
}

/** Read once: the global `process` is a getter. */
const own: NodeJS.Process & { readonly _exiting?: boolean } = process
