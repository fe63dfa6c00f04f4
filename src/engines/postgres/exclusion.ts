/**
 * Checks that two connections of this engine exclude each other. They don't if the server gives one session to all its clients (PGlite behind its socket
 * server: a session can acquire its own advisory lock again), or if connections reach different servers (a balancer in front of several primaries).
 * The check doesn't depend on product names: one connection takes a lock, and the other connection must not get it.
 */
import { randomBytes } from 'node:crypto'
import { SlocketError, systemCode } from '../../errors.ts'
import type { Control } from './control.ts'
import type { Scope } from './scope.ts'
import { TOO_MANY_CONNECTIONS } from './server-error.ts'
import type { Session } from './session.ts'

/**
 * Goes on even if the request that started it is cancelled, so that the next request has a session.
 *
 * @param session holds nothing, before and after.
 * @returns false if the check wasn't possible, because the server has no second connection left.
 * @throws ERR_SLOCKET_POOLER if the two don't exclude each other; SlocketError as `Session.run`.
 */
export async function checkExclusion(session: Session, control: Control, scope: Scope): Promise<boolean> {
  const key = randomBytes(8).readBigInt64BE()
  const options = { doing: 'check that connections exclude each other', isBackground: true }
  await scope.begin(session)
  const { pid } = session
  await session.run(`SELECT pg_try_advisory_${scope.infix}lock(${key})::text AS taken`, options)
  const other = await tryByControl(key, control, scope, options.doing)
  await scope.end(session)
  if (other === undefined) return false
  if (!other.isTaken) return true
  const reason =
    other.pid === pid
      ? 'the server gives one session to several connections (PGlite behind a socket?)'
      : 'connections reach different servers or databases (a balancer?)'
  throw new SlocketError(
    'ERR_SLOCKET_POOLER',
    `two connections to PostgreSQL do not exclude each other: ${reason}. Connect to one server that has a session for each connection`,
  )
}

/** Tries the key in the control session, and releases it at once if it gets it. Undefined if the server has no connection left. */
async function tryByControl(
  key: bigint,
  control: Control,
  { infix }: Scope,
  doing: string,
): Promise<{ readonly isTaken: boolean; readonly pid: number } | undefined> {
  // A transaction's lock ends with the statement.
  const release = infix === '' ? `pg_advisory_unlock(${key})::text` : "'true'"
  const statement = `SELECT pg_backend_pid()::text AS pid,
    CASE WHEN pg_try_advisory_${infix}lock(${key}) THEN ${release} END AS taken`
  try {
    const [row] = await control.run(statement, doing)
    return { isTaken: row!['taken'] !== null, pid: Number(row!['pid']) }
  } catch (error) {
    if (systemCode((error as Error).cause) === TOO_MANY_CONNECTIONS) return undefined
    throw error
  }
}
