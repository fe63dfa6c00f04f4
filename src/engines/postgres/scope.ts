/**
 * What a lock belongs to: a session, or, behind a pooler that shares sessions among clients, a transaction that stays open as long as the lock is held or waited for.
 * A pooler keeps a transaction on the session that it began on. (PgBouncer's `pool_mode = transaction`: https://www.pgbouncer.org/features.html)
 *
 *  1. All settings are local to the transaction: afterwards, the session may serve another client.
 *  2. The transaction writes nothing, so it has no transaction id and, while it is idle, no snapshot: it doesn't hold back VACUUM. So another session takes its token.
 *  3. A setting local to the transaction, the mark, shows whether a later statement still runs in it. A process id isn't enough: it might be the same by chance.
 *  4. The server can't see whether the client behind the pooler is alive. So it ends a transaction in which nothing was executed for `serverPatienceMs`.
 */
import { randomBytes } from 'node:crypto'
import { SlocketError } from '../../errors.ts'
import type { Settings } from './options.ts'
import type { Session } from './session.ts'

export interface Scope {
  /** Precedes every statement outside of a transaction of this engine. */
  readonly prelude: string
  /** Part of the names of the functions for advisory locks: `pg_advisory_lock`, `pg_advisory_xact_lock`. */
  readonly infix: '' | 'xact_'
  /** Whether it is a transaction. If so, another session has to take the token. */
  readonly isTransaction: boolean
  /** An expression: the id of the server's process, or null if the lock's scope has ended. */
  readonly pid: string
  /** A statement for an idle session. It returns the session's `pid`. */
  readonly signOfLife: string
  /** Prepares a session for one lock. @throws SlocketError, after ending the session. */
  begin(session: Session): Promise<void>
  /** Releases everything that the session may hold, and ends what {@link begin} began. @throws SlocketError */
  end(session: Session): Promise<void>
}

const PID = 'pg_backend_pid()::text'
const END_SESSION = { doing: 'release what a session holds' }

const OF_SESSION: Scope = {
  prelude: '',
  infix: '',
  isTransaction: false,
  pid: PID,
  signOfLife: `SELECT ${PID} AS pid`,
  begin: () => Promise.resolve(),
  async end(session) {
    await session.run('SELECT pg_advisory_unlock_all()::text AS released', END_SESSION)
  },
}

const MARK = randomBytes(8).toString('hex')
export const IS_MARKED: string = `current_setting('slocket.lock', true) = '${MARK}'`

class TransactionScope implements Scope {
  readonly prelude: string = 'SET LOCAL search_path TO pg_catalog; '
  readonly infix = 'xact_'
  readonly isTransaction: boolean = true
  readonly pid: string = `CASE WHEN ${IS_MARKED} THEN ${PID} END`
  // Outside of a transaction, the client has no session of its own.
  readonly signOfLife: string = "SELECT '0' AS pid"
  readonly #begin: string

  constructor({ serverPatienceMs }: Settings) {
    const wanted: Readonly<Record<string, string | number>> = {
      'slocket.lock': MARK,
      statement_timeout: 0,
      lock_timeout: 0,
      transaction_timeout: 0,
      idle_in_transaction_session_timeout: serverPatienceMs,
      client_connection_check_interval: '1s',
    }
    const values = Object.entries(wanted).map(([name, value]) => `('${name}', '${value}')`)
    // A server on Windows can't check connections, and rejects that setting.
    this.#begin = `BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE NOT DEFERRABLE;
      SELECT ${PID} AS pid, (SELECT count(set_config(name, value, true)) FROM (VALUES ${values.join(', ')}) AS wanted (name, value)
        WHERE (name = 'slocket.lock' OR current_setting(name, true) IS NOT NULL)
          AND (name <> 'client_connection_check_interval' OR version() !~ 'mingw|Visual C'))::text AS set`
  }

  async begin(session: Session): Promise<void> {
    try {
      const [row] = await session.run(this.#begin, { doing: 'begin a transaction', isBackground: true })
      session.pid = Number(row!['pid'])
    } catch (error) {
      const failure = (error as Error).message.includes('statement pooling') ? noTransactions(error) : (error as Error)
      session.end(failure)
      throw failure
    }
  }

  async end(session: Session): Promise<void> {
    await session.run('ROLLBACK', END_SESSION)
    session.pid = 0
  }
}

/** The error for a PgBouncer with `pool_mode = statement`, which rejects every BEGIN. */
function noTransactions(cause: unknown): SlocketError {
  const message =
    'the pooler allows no transactions (pool_mode = statement): it needs pool_mode = transaction or session'
  return new SlocketError('ERR_SLOCKET_POOLER', message, { cause })
}

export function scopeOf(settings: Settings): Scope {
  return settings.pooler === 'transaction' ? new TransactionScope(settings) : OF_SESSION
}
