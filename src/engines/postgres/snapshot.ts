/** Who holds a lock and who waits for it, as the server shows its locks and sessions. */
import type { EngineSnapshot, Requester } from '../../requests/engine.ts'
import { EXCLUSIVE, SHARED } from '../../core/claim.ts'
import type { About } from './about.ts'
import { parseSession } from './about.ts'
import type { Row } from './client.ts'
import { keyOf, whereKey, WHERE_ANY_KEY } from './key.ts'
import { wallNowMs } from '../../real-time.ts'

const EXCLUSIVE_LOCK = 'ExclusiveLock'
const SHARE_LOCK = 'ShareLock'

/** Waiters in the order in which they came. */
export function snapshotStatement(key: bigint): string {
  return selectLocks(whereKey(key))
}

/** The same of all keys, each with its `key`. */
export const ALL_LOCKS: string = selectLocks(WHERE_ANY_KEY)

function selectLocks(where: string): string {
  return `SELECT ((locks.classid::bigint << 32) | locks.objid::bigint)::text AS key, locks.pid::text AS pid, locks.mode, locks.granted::text AS granted,
      (extract(epoch FROM locks.waitstart) * 1000)::text AS waits_since,
      (extract(epoch FROM sessions.state_change) * 1000)::text AS changed,
      (extract(epoch FROM sessions.query_start) * 1000)::text AS asked, sessions.query
    FROM pg_locks AS locks LEFT JOIN pg_stat_activity AS sessions USING (pid)
    WHERE ${where.replaceAll(/\b(database|locktype|classid|objid|objsubid) /g, 'locks.$1 ')}
    ORDER BY locks.waitstart NULLS LAST`
}

/**
 * The locks whose names can be found out, by name. The server knows hashes of names: a name is what a session says of itself, if this role may see that, and if the
 * hash agrees. So locks of other roles are missing unless one of ours waits for them, as are those of other namespaces and programs.
 *
 * @param own the server's processes that are this client's, with the lock of each.
 */
export function toSnapshots(
  rows: readonly Row[],
  own: ReadonlyMap<number, string>,
  namespace: string,
): Map<string, EngineSnapshot> {
  const byKey = new Map<string, Row[]>()
  for (const row of rows) byKey.set(row['key']!, [...(byKey.get(row['key']!) ?? []), row])
  const snapshots = new Map<string, EngineSnapshot>()
  for (const [key, ofKey] of byKey) {
    const said = ofKey.flatMap(({ pid, query }) => [own.get(Number(pid)), parseSession(query ?? null)?.name])
    const name = said.find((each) => each !== undefined && String(keyOf(namespace, each)) === key)
    if (name !== undefined) snapshots.set(name, toSnapshot(ofKey, own))
  }
  return snapshots
}

/** @param own the server's processes that are this client's. */
export function toSnapshot(rows: readonly Row[], own: ReadonlyMap<number, unknown>): EngineSnapshot {
  const held: Requester[] = []
  const pending: Requester[] = []
  const exclusive = new Set(rows.filter(({ mode }) => mode === EXCLUSIVE_LOCK).map(({ pid }) => pid))
  for (const row of rows) {
    // For a moment, one that is downgraded has both.
    if (row['granted'] === 'true' && row['mode'] === SHARE_LOCK && exclusive.has(row['pid'])) continue
    ;(row['granted'] === 'true' ? held : pending).push(toRequester(row, own))
  }
  held.sort((a, b) => (a.sinceMs ?? 0) - (b.sinceMs ?? 0))
  return { held, pending }
}

function toRequester(row: Row, own: ReadonlyMap<number, unknown>): Requester {
  const serverPid = Number(row['pid'])
  const about = parseSession(row['query'] ?? null)
  return {
    claim: row['mode'] === SHARE_LOCK ? SHARED : EXCLUSIVE,
    // Unknown for a session of another role, whose statements this one may not see. (`pid` of the row is the server's process.)
    pid: about?.pid,
    sinceMs: row['granted'] === 'true' ? holdsSince(row, about) : waitsSince(row),
    label: about?.label,
    command: about?.command,
    self: own.has(serverPid),
  }
}

/**
 * The server does not know. The last statement of a session of ours is either that which has taken the lock, or one that tells for how long it has been
 * held. Of other sessions it is not known.
 */
function holdsSince(row: Row, about: About | undefined): number | undefined {
  if (about === undefined) return undefined
  const [asked, changed] = [numberOf(row['asked']), numberOf(row['changed'])]
  return about.heldMs === undefined || asked === undefined ? changed : asked - about.heldMs
}

/** Every role sees that. The server has noted it a moment after the wait began: https://www.postgresql.org/docs/current/view-pg-locks.html */
function waitsSince(row: Row): number {
  return numberOf(row['waits_since']) ?? wallNowMs()
}

function numberOf(text: string | null | undefined): number | undefined {
  return text === null || text === undefined ? undefined : Number(text)
}
