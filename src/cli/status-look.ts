/** Looks at what `slocket status` shows: the locks at paths, below directories, in roots of named locks, or on a server. */
import fs from 'node:fs'
import path from 'node:path'
import { localNames } from '../engines/local/names/index.ts'
import { encodeName } from '../engines/local/names/name-coding.ts'
import { toSlocketError } from '../engines/local/platform/system-error.ts'
import type { SlocketError } from '../errors.ts'
import { isSlocketError } from '../errors.ts'
import { slocket } from '../index.ts'
import type { Engine } from '../requests/engine.ts'
import type { Obstacle } from '../requests/obstacle.ts'
import type { LockRequest, LockSnapshot } from '../slocket.ts'
import { toLockRequest } from '../lock-request.ts'
import { UsageError } from './exit-status.ts'
import { findLocks, isDirectory, SocketOwners } from './find-locks.ts'
import type { Owner } from './find-locks.ts'
import { checkLockPath } from './lock-path.ts'

/** How many locks are looked at together: each needs a descriptor for each of its holders and waiters. */
const AT_ONCE = 500

export interface Row extends Pick<LockRequest, 'mode' | 'permits' | 'take' | 'pid' | 'since' | 'label' | 'command'> {
  readonly state: 'holds' | 'waits'
  /** Whether its process answers. If not, it may be busy or stopped, or it may have ended and left the lock to other processes. */
  readonly answers: boolean
  /** The processes that have its socket open, if it does not answer. */
  readonly owners: readonly Owner[]
}

export interface LockStatus {
  /** Its path, or its name. */
  readonly lock: string
  /** The directory of named locks that it is in, if it is a named lock. */
  readonly root: string | undefined
  readonly rows: readonly Row[]
  /** What is at its path instead of a lock. */
  readonly obstacle: Obstacle | undefined
  readonly error: SlocketError | undefined
}

type Queue = Pick<LockSnapshot, 'held' | 'pending'>

export async function lookLocally(words: readonly string[]): Promise<LockStatus[]> {
  words.forEach(checkLockPath)
  const places = words.length === 0 ? ['.'] : words
  // A place that isn't a directory is looked at by itself: nothing is there, or an obstacle.
  const found = places.flatMap((place) => (isDirectory(place) ? findLocks(place) : [{ path: place, isRoot: false }]))
  const socketOwners = new SocketOwners()
  return await lookAtAll(found, async ({ path: lock, isRoot }) =>
    isRoot ? await lookIntoRoot(lock, socketOwners) : [await lookAtPath(lock, socketOwners)],
  )
}

/** Looks at locks by names, which aren't paths. @throws UsageError */
export function lookIn(engine: Engine, names: readonly string[]): () => Promise<LockStatus[]> {
  if (names.length === 0 && engine.queryAll === undefined)
    throw new UsageError(`LOCK is missing: the names of locks on ${engine.name} cannot be listed`)
  return async () => {
    const all = names.length > 0 ? names : [...(await engine.queryAll!()).keys()].sort()
    return await lookAtAll(all, async (lock) => [await lookAtName(lock, engine)])
  }
}

/** Waits for all of them together: several processes that do not answer take as long as a single one. */
async function lookAtAll<Place>(
  places: readonly Place[],
  look: (place: Place) => Promise<LockStatus[]>,
): Promise<LockStatus[]> {
  const found: LockStatus[] = []
  for (let first = 0; first < places.length; first += AT_ONCE)
    for (const status of (await Promise.all(places.slice(first, first + AT_ONCE).map(look))).flat()) found.push(status)
  return found
}

async function lookAtPath(lock: string, socketOwners: SocketOwners): Promise<LockStatus> {
  try {
    const snapshot = await slocket.query(lock)
    refuseMissingParent(lock)
    const rows = rowsOf(snapshot, (one) => socketOwners.of(lock, one.pid!))
    return { lock, root: undefined, rows, obstacle: snapshot.obstacle, error: undefined }
  } catch (error) {
    return failed(lock, error)
  }
}

/** Looks at a lock on a server, which answers for all processes. */
async function lookAtName(lock: string, engine: Engine): Promise<LockStatus> {
  try {
    const snapshot = await slocket.query(lock, { engine })
    return { lock, root: undefined, rows: rowsOf(snapshot), obstacle: snapshot.obstacle, error: undefined }
  } catch (error) {
    return failed(lock, error)
  }
}

/** Returns the locks of the root that are in use. */
async function lookIntoRoot(root: string, socketOwners: SocketOwners): Promise<LockStatus[]> {
  try {
    const all = await localNames(root).queryAll!()
    return [...all]
      .filter(([, { held, pending }]) => held.length + pending.length > 0)
      .map(([lock, { held, pending }]) => {
        const directory = path.join(root, encodeName(lock))
        const queue = { held: held.map(toLockRequest), pending: pending.map(toLockRequest) }
        const rows = rowsOf(queue, (one) => socketOwners.of(directory, one.pid!))
        return { lock, root, rows, obstacle: undefined, error: undefined }
      })
      .sort((one, other) => (one.lock < other.lock ? -1 : 1))
  } catch (error) {
    return [failed(root, error)]
  }
}

/** @throws `error` if it isn't a SlocketError. */
function failed(lock: string, error: unknown): LockStatus {
  if (!isSlocketError(error)) throw error
  return { lock, root: undefined, rows: [], obstacle: undefined, error }
}

/** Refuses a lock whose parent directory is missing. @throws ERR_SLOCKET_NO_PARENT; what a system error means. */
function refuseMissingParent(lock: string): void {
  try {
    fs.statSync(path.dirname(path.resolve(lock)))
  } catch (error) {
    throw toSlocketError(error, 'look at', lock)
  }
}

/** @param ownersOf returns the processes that have the socket of a request open that does not answer. If it is missing, all requests count as answered. */
function rowsOf({ held, pending }: Queue, ownersOf?: (request: LockRequest) => readonly Owner[]): Row[] {
  const toRow = (state: Row['state'], request: LockRequest): Row => {
    const { self, ...rest } = request
    const answers = ownersOf === undefined || self || rest.command !== undefined
    return { ...rest, state, answers, owners: answers ? [] : ownersOf(request) }
  }
  return [...held.map((one) => toRow('holds', one)), ...pending.map((one) => toRow('waits', one))]
}
