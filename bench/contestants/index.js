// The contestants, each in its own file, all with the same small interface:
//
//   open(path, claim)     a handle of the lock at `path`; claim: { mode, permits, linger, ownClient, retries }, as far as it supports them
//   handle.acquire()      a promise of the value that release takes
//   handle.release(held)
//   handle.acquireSync()  returns the value that releaseSync takes; both are optional
//   handle.releaseSync(held)
//   handle.close()        optional
//
// A file is loaded only by the processes that measure it. So a rival that isn't installed fails alone, and its side effects, such as
// signal handlers, don't affect other contestants.
import { writeFileSync } from 'node:fs'

export const SLOCKET = 'slocket'
/** With the option `slice: 1`. */
export const SLICE = 'slocket-slice'
/** slocket/proper-lockfile. */
export const DROP_IN = 'slocket-drop-in'
const OURS = new Set([SLOCKET, SLICE, DROP_IN])

export const FS_NATIVE_EXTENSIONS = 'fs-native-extensions'
export const PROPER_LOCKFILE = 'proper-lockfile'
export const LOCKFILE = 'lockfile'
/** flock(1), which runs a command under a lock. */
export const FLOCK = 'flock'

/** Other locks between processes. */
export const RIVALS = ['slocket-1', FS_NATIVE_EXTENSIONS, 'fs-ext', PROPER_LOCKFILE, LOCKFILE, 'cross-process-lock']

/** Locks between processes. */
export const BETWEEN_PROCESSES = [SLOCKET, ...RIVALS]

/** Locks within one process. */
export const IN_PROCESS = ['async-mutex', 'async-lock']

/** Floors: not locks, but lower bounds for a lock. */
export const SYSTEM_CALLS = 'system-calls'
export const BARE_QUEUE = 'bare-queue'
export const BARE_SLICE = 'bare-slice'
export const RING = 'ring'
export const CONNECTION = 'connection'
export const NOTHING = 'nothing'
export const BARE_NODE = 'bare-node'
export const SPAWNING_NODE = 'spawning-node'

/** These lock a file that must exist. */
const WITH_FILE = new Set([FS_NATIVE_EXTENSIONS, 'fs-ext', PROPER_LOCKFILE, DROP_IN, 'cross-process-lock'])

const MOST_PATIENCE_MS = 30_000

const SPECIFIERS = new Map([
  [SLOCKET, new URL('../../dist/index.mjs', import.meta.url).href],
  ['slocket-1', 'slocket1'],
])

export async function load(name) {
  return await import(`./${name}.js`)
}

/** Creates what must exist before the lock at `path` is opened. */
export function prepare(name, path) {
  if (WITH_FILE.has(name)) writeFileSync(path, '')
}

/** What its users import. */
export function specifierOf(name) {
  return SPECIFIERS.get(name) ?? name
}

/** True for slocket and its drop-in. */
export function isOurs(name) {
  return OURS.has(name)
}

/** How long to wait for a contestant that stalls. It is long, as the run fails if slocket fails: a busy machine must not be the reason. */
export function patience(name, ms) {
  return isOurs(name) ? Math.max(ms, MOST_PATIENCE_MS) : ms
}
