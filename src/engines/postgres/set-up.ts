/**
 * Prepares a new connection for locks, or rejects it.
 *
 *  1. No setting of the server ends a wait or a held lock: all timeouts of statements and sessions are off.
 *  2. The server notices that a client is gone: by TCP's keepalives if the connection is idle, by `tcp_user_timeout` if data was not acknowledged (each alone is not
 *     enough: measured), and by `client_connection_check_interval` if the client's process has ended while it waits.
 *  3. All statements run in one session; behind a pooler, each might run in another. Until that has been checked, nothing is set: it might affect another client.
 *  4. This doesn't keep the process alive; the caller does that while it waits.
 *  5. Functions and operators are the server's own, even if a role's `search_path` names other schemas before `pg_catalog`.
 */
import { SlocketError, systemCode } from '../../errors.ts'
import type { Row } from './client.ts'
import type { Settings } from './options.ts'
import { createSequence } from './sequence.ts'
import type { Session } from './session.ts'
import { CAN_FLUSH } from './statements.ts'

/** The first version that shows since when a session waits. */
const OLDEST_VERSION = 140_000

const INVALID_VALUE = '22023'

/** @throws SlocketError, after ending the session. */
export async function setUp(session: Session, settings: Settings): Promise<void> {
  try {
    const facts =
      settings.pooler === undefined ? await takeSession(session, settings) : await lookBehindPooler(session, settings)
    session.canFlush = await canFlush(session)
    if (facts['usable'] !== 'true') await createSequence(session, settings.sequence)
  } catch (error) {
    session.end(error as Error)
    throw error
  }
}

async function takeSession(session: Session, settings: Settings): Promise<Row> {
  const doing = 'set up a session'
  const [first] = await session.run('SELECT pg_catalog.pg_backend_pid()::pg_catalog.text AS pid', {
    doing,
    isBackground: true,
  })
  session.pid = Number(first!['pid'])
  if (session.saidPid !== session.pid) throw poolerError()
  await session.run('SET search_path TO pg_catalog', { doing, isBackground: true })
  const [facts] = await session.run(setUpStatement(settings), { doing, isBackground: true })
  if (String(session.pid) !== facts!['pid']) throw poolerError()
  refuse(facts!)
  await watchWaits(session)
  return facts!
}

/** Checks the server. Sets nothing: each transaction does that for itself. */
async function lookBehindPooler(session: Session, { sequence }: Settings): Promise<Row> {
  const [facts] = await session.run(`SELECT ${factsOf(sequence)}`, { doing: 'check the server', isBackground: true })
  refuse(facts!)
  return facts!
}

/** Makes the server check the connections of waiters. A server on Windows can't, and rejects the setting: https://www.postgresql.org/docs/current/runtime-config-connection.html#GUC-CLIENT-CONNECTION-CHECK-INTERVAL */
async function watchWaits(session: Session): Promise<void> {
  try {
    await session.run("SET client_connection_check_interval TO '1s'", {
      doing: 'make the server check connections',
      isBackground: true,
    })
  } catch (error) {
    if (session.hasEnded || systemCode((error as Error).cause) !== INVALID_VALUE) throw error
  }
}

/** Whether tokens can be flushed. Aurora lacks the functions, and an administrator may have revoked them. */
async function canFlush(session: Session): Promise<boolean> {
  try {
    const [row] = await session.run(CAN_FLUSH, { doing: 'check whether tokens can be flushed', isBackground: true })
    return row?.['flushes'] === 'true'
  } catch (error) {
    if (session.hasEnded) throw error
    return false
  }
}

function setUpStatement({ sequence, serverPatienceMs }: Settings): string {
  const seconds = (ms: number): number => Math.max(1, Math.round(ms / 1000))
  const wanted: Readonly<Record<string, string | number>> = {
    statement_timeout: 0,
    lock_timeout: 0,
    idle_session_timeout: 0,
    idle_in_transaction_session_timeout: 0,
    transaction_timeout: 0,
    default_transaction_read_only: 'off',
    // A waiting statement is a transaction all the time. Other transactions must not have to be serialized with it.
    default_transaction_isolation: 'read committed',
    default_transaction_deferrable: 'off',
    tcp_keepalives_idle: seconds(serverPatienceMs / 2),
    tcp_keepalives_interval: seconds(serverPatienceMs / 10),
    tcp_keepalives_count: 5,
    tcp_user_timeout: serverPatienceMs,
  }
  const values = Object.entries(wanted).map(([name, value]) => `('${name}', '${value}')`)
  return `SELECT pg_backend_pid()::text AS pid, ${factsOf(sequence)},
    (SELECT count(set_config(name, value, false)) FROM (VALUES ${values.join(', ')}) AS wanted (name, value)
      WHERE current_setting(name, true) IS NOT NULL)::text AS set,
    -- A token must be on the disk before a client receives it, or else the server could issue it again after a crash.
    (SELECT count(set_config('synchronous_commit', 'on', false))
      WHERE current_setting('synchronous_commit') IN ('off', 'local'))::text AS durable`
}

function factsOf(sequence: string): string {
  return `current_setting('server_version_num') AS version,
    pg_is_in_recovery()::text AS standby,
    CASE WHEN to_regclass('${sequence}') IS NULL THEN 'false'
      ELSE has_sequence_privilege(to_regclass('${sequence}')::oid, 'USAGE, UPDATE')::text END AS usable`
}

function refuse(facts: Row): void {
  if (Number(facts['version']) < OLDEST_VERSION) {
    throw new SlocketError('ERR_SLOCKET_UNSUPPORTED_PLATFORM', 'locks need PostgreSQL 14 or later')
  }
  if (facts['standby'] === 'true') {
    const message = 'the server is a standby, whose locks exclude nobody on the primary: connect to the primary'
    throw new SlocketError('ERR_SLOCKET_READ_ONLY', message)
  }
}

/**
 * The error if a statement is answered by another process than the connection began with. PgBouncer and similar poolers invent the process id that they report on connecting;
 * behind a pooler that passes the server's on, a later statement may be answered by another process.
 */
export function poolerError(): SlocketError {
  const message =
    "there is a pooler (PgBouncer?) in front of PostgreSQL: a lock belongs to a session, and a pooler shares sessions among clients. Connect to the server itself; or, if the pooler keeps a transaction on one session, set the option pooler of postgres() to 'transaction'"
  return new SlocketError('ERR_SLOCKET_POOLER', message)
}
