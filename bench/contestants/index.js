// Those who are measured, each in a file of its own, behind the same small interface:
//
//   open(path, claim)     a handle of the lock at `path`; claim: { mode, permits, linger, ownClient, retries }, as far as it knows them
//   handle.acquire()      a promise of what release wants
//   handle.release(held)
//   handle.acquireSync()  returns what releaseSync wants; both may be missing
//   handle.releaseSync(held)
//   handle.close()        may be missing
//
// A file is loaded only by the processes that measure it: one that is not installed fails alone, and what a rival does to
// the process that imports it, such as handling its signals, it does to nobody else.
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
/** flock(1), which locks for a command. */
export const FLOCK = 'flock'

/** Other locks between processes. */
export const RIVALS = ['slocket-1', FS_NATIVE_EXTENSIONS, 'fs-ext', PROPER_LOCKFILE, LOCKFILE, 'cross-process-lock']

/** Locks between processes. */
export const BETWEEN_PROCESSES = [SLOCKET, ...RIVALS]

/** Locks within one process. */
export const IN_PROCESS = ['async-mutex', 'async-lock']

/** Floors: no locks, but what a lock cannot be quicker than. */
export const SYSTEM_CALLS = 'system-calls'
export const BARE_QUEUE = 'bare-queue'
export const RING = 'ring'
export const CONNECTION = 'connection'
export const NOTHING = 'nothing'
export const BARE_NODE = 'bare-node'
export const SPAWNING_NODE = 'spawning-node'

/** These lock a file that has to be there. */
const WITH_FILE = new Set([FS_NATIVE_EXTENSIONS, 'fs-ext', PROPER_LOCKFILE, DROP_IN, 'cross-process-lock'])

const MOST_PATIENCE_MS = 30_000

const SPECIFIERS = new Map([
  [SLOCKET, new URL('../../dist/index.mjs', import.meta.url).href],
  ['slocket-1', 'slocket1'],
])

export async function load(name) {
  return await import(`./${name}.js`)
}

/** Makes what has to be there before the lock at `path` is opened. */
export function prepare(name, path) {
  if (WITH_FILE.has(name)) writeFileSync(path, '')
}

/** What its users import. */
export function specifierOf(name) {
  return SPECIFIERS.get(name) ?? name
}

/** Whether it is slocket, by whatever door. */
export function isOurs(name) {
  return OURS.has(name)
}

/** How long to wait for a contestant that stalls. The run fails if slocket fails: a busy machine must not be the reason. */
export function patience(name, ms) {
  return isOurs(name) ? Math.max(ms, MOST_PATIENCE_MS) : ms
}
