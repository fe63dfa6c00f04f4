/** Finds out who holds a lock and who waits for it, from the server's lists of locks and sessions. */
import type { EngineSnapshot, Requester } from '../../requests/engine.ts'
import type { Claim } from '../../core/claim.ts'
import { EXCLUSIVE, permitClaim, SHARED } from '../../core/claim.ts'
import type { About } from './about.ts'
import { parseSession } from './about.ts'
import type { Row } from './client.ts'
import { firstKeyOfPermits, keyOf, permitKeyOf, WHERE_ANY_KEY } from './key.ts'
import { PermitKeys } from './permit-keys.ts'
import { wallNowMs } from '../../real-time.ts'

const SHARE_LOCK = 'ShareLock'

/** Selects the holders and waiters of a lock. Waiters are in the order in which they came. */
export function snapshotStatement(namespace: string, name: string): string {
  return selectLocks(new PermitKeys(permitKeyOf(namespace, name)).whereAny(keyOf(namespace, name)))
}

/** Selects the holders and waiters of all keys. */
export const ALL_LOCKS: string = selectLocks(WHERE_ANY_KEY)

function selectLocks(where: string): string {
  return `SELECT ((locks.classid::bigint << 32) | locks.objid::bigint)::text AS key, locks.pid::text AS pid, locks.mode, locks.granted::text AS granted,
      (extract(epoch FROM locks.waitstart) * 1000)::text AS waits_since,
      (extract(epoch FROM sessions.state_change) * 1000)::text AS changed,
      (extract(epoch FROM sessions.query_start) * 1000)::text AS asked, sessions.query
    FROM (SELECT * FROM pg_locks WHERE ${where}) AS locks LEFT JOIN pg_stat_activity AS sessions USING (pid)
    ORDER BY locks.waitstart NULLS LAST`
}

/**
 * Returns the locks whose names can be found out, by name. The server only has hashes of names. The names are in the comments of the sessions (about.ts), if this
 * role can see them; a name counts if its hash matches. So locks of other roles are missing, unless this client waits for them, and so are locks of other namespaces and
 * programs.
 *
 * @param own the server's processes that belong to this client, with the lock of each.
 */
export function toSnapshots(
  rows: readonly Row[],
  own: ReadonlyMap<number, string>,
  namespace: string,
): Map<string, EngineSnapshot> {
  const said = rows.flatMap(({ pid, query }) => [own.get(Number(pid)), parseSession(query ?? null)?.name])
  const names = new Map<bigint, string>()
  for (const name of new Set(said.filter((each) => each !== undefined)))
    names.set(keyOf(namespace, name), name).set(permitKeyOf(namespace, name), name)
  const byName = new Map<string, Row[]>()
  for (const row of rows) {
    const key = BigInt(row['key']!)
    const name = names.get(key) ?? names.get(firstKeyOfPermits(key))
    if (name !== undefined) byName.set(name, [...(byName.get(name) ?? []), row])
  }
  const snapshots = [...byName].map(([name, ofName]) => [name, toSnapshot(ofName, own, namespace, name)] as const)
  return new Map(snapshots.filter(([, { held, pending }]) => held.length + pending.length > 0))
}

/** @param own the server's processes that belong to this client. */
export function toSnapshot(
  rows: readonly Row[],
  own: ReadonlyMap<number, unknown>,
  namespace: string,
  name: string,
): EngineSnapshot {
  const held: Requester[] = []
  const pending: Requester[] = []
  const keys = new PermitKeys(permitKeyOf(namespace, name))
  const sessions = bySession(rows)
  const permits = sessions.flatMap((ofSession) => placeOf(ofSession, keys) ?? [])
  // The next request for permits has the gate and waits for no lock. So it is the last in the list, and has to be moved to the front.
  permits.sort((a, b) => Number(b.isNext) - Number(a.isNext))
  for (const place of permits) (place.taken > 0 ? held : pending).push(toPermitRequester(place, own))
  const key = String(keyOf(namespace, name))
  for (const ofSession of sessions.filter((one) => placeOf(one, keys) === undefined)) {
    const ofKey = ofSession.filter((row) => row['key'] === key)
    const isAlone = ofKey.some(({ mode }) => mode !== SHARE_LOCK)
    for (const row of ofKey) {
      const isGranted = row['granted'] === 'true'
      // During a downgrade, a session has both locks for a moment.
      if (isGranted && row['mode'] === SHARE_LOCK && isAlone) continue
      ;(isGranted ? held : pending).push(toRequester(row, own))
    }
  }
  held.sort((a, b) => (a.sinceMs ?? 0) - (b.sinceMs ?? 0))
  return { held, pending }
}

/** Groups rows by session, in the order of each session's first row. A prepared transaction has no session. */
function bySession(rows: readonly Row[]): Row[][] {
  const sessions = new Map<unknown, Row[]>()
  for (const row of rows) {
    const id = row['pid'] ?? row
    sessions.set(id, [...(sessions.get(id) ?? []), row])
  }
  return [...sessions.values()]
}

/** A session that holds permits, or waits for them. */
interface Place {
  readonly row: Row
  readonly taken: number
  /** Whether it is the next waiter: it has the gate. */
  readonly isNext: boolean
}

/** Returns undefined for a session that doesn't use permits; an empty array if it is about to join or to leave. */
function placeOf(rows: readonly Row[], keys: PermitKeys): Place[] | undefined {
  const granted = rows.filter((row) => row['granted'] === 'true')
  const isShared = (row: Row): boolean => row['mode'] === SHARE_LOCK
  if (!granted.some((row) => isShared(row) && row['key'] === String(keys.present))) return undefined
  const taken = granted.reduce((sum, row) => sum + keys.takenBy(BigInt(row['key']!)), 0)
  const atGate = rows.find((row) => row['key'] === String(keys.gate))
  if (taken > 0) return [{ row: granted[0]!, taken, isNext: false }]
  return atGate === undefined ? [] : [{ row: atGate, taken, isNext: granted.includes(atGate) }]
}

function toPermitRequester({ row, taken, isNext }: Place, own: ReadonlyMap<number, unknown>): Requester {
  const about = parseSession(row['query'] ?? null)
  const asked = about?.claim ?? permitClaim(Math.max(1, taken), Math.max(1, taken))
  if (taken > 0)
    return describe(row, about, permitClaim(Math.max(asked.permits, taken), taken), holdsSince(row, about), own)
  const sinceMs = isNext ? waitsAtGateSince(row, about) : waitsSince(row)
  return describe(row, about, asked, sinceMs, own)
}

function toRequester(row: Row, own: ReadonlyMap<number, unknown>): Requester {
  const about = parseSession(row['query'] ?? null)
  const sinceMs = row['granted'] === 'true' ? holdsSince(row, about) : waitsSince(row)
  return describe(row, about, row['mode'] === SHARE_LOCK ? SHARED : EXCLUSIVE, sinceMs, own)
}

function describe(
  row: Row,
  about: About | undefined,
  claim: Claim,
  sinceMs: number | undefined,
  own: ReadonlyMap<number, unknown>,
): Requester {
  return {
    claim,
    // Unknown if this role can't see the statements of the session. (`pid` of the row is the server's process.)
    pid: about?.pid,
    sinceMs,
    label: about?.label,
    command: about?.command,
    self: own.has(Number(row['pid'])),
  }
}

/**
 * The server doesn't know since when a lock is held. The last statement of a session of this engine either took the lock, or says how long the lock has been held. For
 * other sessions it is unknown.
 */
function holdsSince(row: Row, about: About | undefined): number | undefined {
  if (about === undefined) return undefined
  const [asked, changed] = [numberOf(row['asked']), numberOf(row['changed'])]
  return about.heldMs === undefined || asked === undefined ? changed : asked - about.heldMs
}

/** Every role can see this. The server notes it a moment after the wait began: https://www.postgresql.org/docs/current/view-pg-locks.html */
function waitsSince(row: Row): number {
  return numberOf(row['waits_since']) ?? wallNowMs()
}

/** The server doesn't know that the session waits. The session's last statement is the one by which it asked, or says how long it has waited. */
function waitsAtGateSince(row: Row, about: About | undefined): number | undefined {
  const asked = numberOf(row['asked'])
  return about === undefined || asked === undefined ? undefined : asked - (about.waitedMs ?? 0)
}

function numberOf(text: string | null | undefined): number | undefined {
  return text === null || text === undefined ? undefined : Number(text)
}
