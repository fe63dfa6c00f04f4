/** Who holds a lock and who waits for it, as the server shows its locks and sessions. */
import type { EngineSnapshot, Requester } from '../../contract/engine.ts'
import { EXCLUSIVE, SHARED } from '../../core/claim.ts'
import type { About } from './about.ts'
import { parseSession } from './about.ts'
import type { Row } from './client.ts'
import { whereKey } from './key.ts'

/** Waiters in the order in which they came. */
export function snapshotStatement(key: bigint): string {
  return `SELECT locks.pid::text AS pid, locks.mode, locks.granted::text AS granted,
      (extract(epoch FROM locks.waitstart) * 1000)::text AS waits_since,
      (extract(epoch FROM sessions.state_change) * 1000)::text AS changed,
      (extract(epoch FROM sessions.query_start) * 1000)::text AS asked, sessions.query
    FROM pg_locks AS locks LEFT JOIN pg_stat_activity AS sessions USING (pid)
    WHERE ${whereKey(key).replaceAll(/\b(database|locktype|classid|objid|objsubid) /g, 'locks.$1 ')}
    ORDER BY locks.waitstart NULLS LAST`
}

/** @param own the server's processes that are this client's. */
export function toSnapshot(rows: readonly Row[], own: ReadonlySet<number>): EngineSnapshot {
  const held: Requester[] = []
  const pending: Requester[] = []
  for (const row of rows) (row['granted'] === 'true' ? held : pending).push(toRequester(row, own))
  held.sort((a, b) => a.sinceMs - b.sinceMs)
  return { held, pending }
}

function toRequester(row: Row, own: ReadonlySet<number>): Requester {
  const serverPid = Number(row['pid'])
  const about = parseSession(row['query'] ?? null)
  const since = row['granted'] === 'true' ? holdsSince(row, about) : numberOf(row['waits_since'])
  return {
    claim: row['mode'] === 'ShareLock' ? SHARED : EXCLUSIVE,
    // Of a session of another role, which this one may not see, only the server's process is known.
    pid: about?.pid ?? serverPid,
    sinceMs: since ?? Date.now(),
    label: about?.label,
    command: about?.command,
    self: own.has(serverPid),
  }
}

/** The server does not know. The last statement is either that which has taken the lock, or one that tells for how long it has been held. */
function holdsSince(row: Row, about: About | undefined): number | undefined {
  const [asked, changed] = [numberOf(row['asked']), numberOf(row['changed'])]
  return about?.heldMs === undefined || asked === undefined ? changed : asked - about.heldMs
}

function numberOf(text: string | null | undefined): number | undefined {
  return text === null || text === undefined ? undefined : Number(text)
}
