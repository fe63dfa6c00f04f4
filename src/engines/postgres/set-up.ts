/**
 * Makes a new connection a session that can hold locks, or refuses to.
 *
 *  1. Nothing in the server's settings ends a wait or a hold: all time-outs of statements and sessions are off.
 *  2. The server notices a client that is gone: TCP's keepalives see an idle one, `tcp_user_timeout` one that owes an answer (each alone is not
 *     enough: measured), and `client_connection_check_interval` one whose process has ended while it waits.
 *  3. The session is one: in front of a pooler it would be another one by the next statement. Until that is known nothing is set: it would be for somebody else.
 *  4. Who waits for it keeps the process alive, not this.
 *  5. Functions and operators are those of the server, whatever other ones there are in schemas that a role's `search_path` names before `pg_catalog`.
 */
import { SlocketError, systemCode } from '../../errors.ts'
import type { Row } from './client.ts'
import type { Settings } from './options.ts'
import { createSequence } from './sequence.ts'
import type { Session } from './session.ts'
import { CAN_FLUSH } from './statements.ts'

/** The first that shows since when one waits. */
const OLDEST_VERSION = 140_000

const INVALID_VALUE = '22023'

/** @throws SlocketError; the session is ended then. */
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

/** Nothing is set: each transaction does that for itself. */
async function lookBehindPooler(session: Session, { sequence }: Settings): Promise<Row> {
  const [facts] = await session.run(`SELECT ${factsOf(sequence)}`, { doing: 'look at the server', isBackground: true })
  refuse(facts!)
  return facts!
}

/** A server on Windows cannot, and says so: https://www.postgresql.org/docs/current/runtime-config-connection.html#GUC-CLIENT-CONNECTION-CHECK-INTERVAL */
async function watchWaits(session: Session): Promise<void> {
  try {
    await session.run("SET client_connection_check_interval TO '1s'", {
      doing: 'have waits watched',
      isBackground: true,
    })
  } catch (error) {
    if (session.hasEnded || systemCode((error as Error).cause) !== INVALID_VALUE) throw error
  }
}

/** Aurora has no functions for that, and an administrator may have taken them away. */
async function canFlush(session: Session): Promise<boolean> {
  try {
    const [row] = await session.run(CAN_FLUSH, { doing: 'see whether tokens can be flushed', isBackground: true })
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
    // Who waits is a transaction all the time: not one that others have to be serialized with.
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
    -- A token has to be on the disk before it is told: a crash of the server must not give it again.
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
    "there is a pooler (PgBouncer?) between here and PostgreSQL: a lock belongs to a session, and it hands sessions round. Connect to the server itself; or, if the pooler leaves a transaction on its session, set the option pooler of postgres() to 'transaction'"
  return new SlocketError('ERR_SLOCKET_POOLER', message)
}
