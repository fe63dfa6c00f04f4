/**
 * Checks that two connections of this engine exclude each other. They don't if the server gives one session to all its clients (PGlite behind its socket
 * server: within a session an advisory lock can be taken again), or if connections reach different servers (a balancer in front of several primaries).
 * No product is asked for its name: one connection takes a lock, and the other one must not get it.
 */
import { randomBytes } from 'node:crypto'
import { SlocketError, systemCode } from '../../errors.ts'
import type { Control } from './control.ts'
import { TOO_MANY_CONNECTIONS } from './server-error.ts'
import type { Session } from './session.ts'

/**
 * It goes on to its end when the request that began it is cancelled: the next one has a session then.
 *
 * @param session holds nothing, before and after.
 * @returns false if it could not be checked, since the server has no second connection to give.
 * @throws ERR_SLOCKET_POOLER if the two don't exclude each other; SlocketError as `Session.run`.
 */
export async function checkExclusion(session: Session, control: Control): Promise<boolean> {
  const key = randomBytes(8).readBigInt64BE()
  const options = { doing: 'check that connections exclude each other', isBackground: true }
  await session.run(`SELECT pg_try_advisory_lock(${key})::text AS taken`, options)
  const other = await tryByControl(key, control, options.doing)
  await session.run(`SELECT pg_advisory_unlock(${key})::text AS unlocked`, options)
  if (other === undefined) return false
  if (!other.isTaken) return true
  const reason =
    other.pid === session.pid
      ? 'the server gives one session to several connections (PGlite behind a socket?)'
      : 'connections reach different servers or databases (a balancer?)'
  throw new SlocketError(
    'ERR_SLOCKET_POOLER',
    `two connections to PostgreSQL do not exclude each other: ${reason}. Connect to one server that has a session for each connection`,
  )
}

/** It gives back at once what it must not get. Undefined if the server has no connection for it. */
async function tryByControl(
  key: bigint,
  control: Control,
  doing: string,
): Promise<{ readonly isTaken: boolean; readonly pid: number } | undefined> {
  const statement = `SELECT pg_backend_pid()::text AS pid,
    CASE WHEN pg_try_advisory_lock(${key}) THEN pg_advisory_unlock(${key})::text END AS taken`
  try {
    const [row] = await control.run(statement, doing)
    return { isTaken: row!['taken'] !== null, pid: Number(row!['pid']) }
  } catch (error) {
    if (systemCode((error as Error).cause) === TOO_MANY_CONNECTIONS) return undefined
    throw error
  }
}
