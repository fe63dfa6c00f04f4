/**
 * Where a runtime differs from Node in what the local engine is built on. Measured on Linux 6.18 with Deno 2.9.6 and Bun 1.4.5:
 * docs/platforms.md has the whole list.
 */

/** Whether this is Deno. */
export const isDeno: boolean = 'deno' in process.versions

/** Whether this is Bun. */
export const isBun: boolean = 'bun' in process.versions

/** Whether `process.hrtime` counts from the start of the process or thread. In Node it is the clock of the kernel. */
export const hasOwnClock: boolean = isDeno || isBun

/** Whether a server may begin to listen after `listen()` has returned. In Node it listens by then, or has failed, and reports that later. */
export const listensLater: boolean = isDeno || isBun
