/**
 * Makes a new connection a session that can hold locks, or refuses to.
 *
 *  1. Nothing in the server's settings ends a wait or a hold: all time-outs of statements and sessions are off.
 *  2. The server notices a client that is gone: TCP's keepalives see an idle one, `tcp_user_timeout` one that owes an answer (each alone is not
 *     enough: measured), and `client_connection_check_interval` one whose process has ended while it waits.
 *  3. The session is one: in front of a pooler it would be another one by the next statement.
 */
import { SlocketError } from '../../errors.ts'
import type { Row } from './client.ts'
import type { Settings } from './options.ts'
import { createSequence } from './sequence.ts'
import type { Session } from './session.ts'

/** The first that shows since when one waits. */
const OLDEST_VERSION = 140_000

/** @throws SlocketError; the session is ended then. */
export async function setUp(session: Session, settings: Settings): Promise<void> {
  try {
    const [facts] = await session.run(setUpStatement(settings, session.saidPid ?? 0), { doing: 'set up a session' })
    session.pid = Number(facts!['pid'])
    refuse(session, facts!)
    if (facts!['usable'] !== 'true') await createSequence(session, settings.sequence)
  } catch (error) {
    session.end(error as Error)
    throw error
  }
}

function setUpStatement({ sequence, serverPatienceMs }: Settings, saidPid: number): string {
  // In front of a pooler, nothing is set: it would be for somebody else.
  const isOurs = `pg_backend_pid() = ${saidPid}`
  const seconds = (ms: number): number => Math.max(1, Math.round(ms / 1000))
  const wanted: Readonly<Record<string, string | number>> = {
    statement_timeout: 0,
    lock_timeout: 0,
    idle_session_timeout: 0,
    idle_in_transaction_session_timeout: 0,
    transaction_timeout: 0,
    default_transaction_read_only: 'off',
    tcp_keepalives_idle: seconds(serverPatienceMs / 2),
    tcp_keepalives_interval: seconds(serverPatienceMs / 10),
    tcp_keepalives_count: 5,
    tcp_user_timeout: serverPatienceMs,
    client_connection_check_interval: 1000,
  }
  const values = Object.entries(wanted).map(([name, value]) => `('${name}', '${value}')`)
  return `SELECT pg_backend_pid()::text AS pid,
    current_setting('server_version_num') AS version,
    pg_is_in_recovery()::text AS standby,
    CASE WHEN to_regclass('${sequence}') IS NULL THEN 'false'
      ELSE has_sequence_privilege(to_regclass('${sequence}')::oid, 'USAGE, UPDATE')::text END AS usable,
    (SELECT count(set_config(name, value, false)) FROM (VALUES ${values.join(', ')}) AS wanted (name, value)
      WHERE current_setting(name, true) IS NOT NULL AND ${isOurs})::text AS set,
    -- A token has to be on the disk before it is told: a crash of the server must not give it again.
    (SELECT count(set_config('synchronous_commit', 'on', false))
      WHERE current_setting('synchronous_commit') IN ('off', 'local') AND ${isOurs})::text AS durable`
}

function refuse(session: Session, facts: Row): void {
  if (session.saidPid !== session.pid) throw poolerError()
  if (Number(facts['version']) < OLDEST_VERSION) {
    throw new SlocketError('ERR_SLOCKET_UNSUPPORTED_PLATFORM', 'locks need PostgreSQL 14 or later')
  }
  if (facts['standby'] === 'true') {
    const message = 'the server is a standby, whose locks exclude nobody elsewhere: connect to the primary'
    throw new SlocketError('ERR_SLOCKET_READ_ONLY', message)
  }
}

/**
 * To be thrown where the process that answers is not the one that the connection began with. PgBouncer and its like make up the number by which
 * a client could cancel a statement: it is nobody's. Behind one that does not, a later statement is answered by another process.
 */
export function poolerError(): SlocketError {
  const message =
    'there is a pooler (PgBouncer?) between here and PostgreSQL: a lock belongs to a session, and it hands sessions round. Connect to the server itself'
  return new SlocketError('ERR_SLOCKET_POOLER', message)
}
