/**
 * What a lock belongs to: a session, or, behind a pooler that hands sessions round, a transaction that stays open as long as the lock is held or waited for.
 * A pooler leaves a transaction on the server's session that it began on. (PgBouncer's `pool_mode = transaction`: https://www.pgbouncer.org/features.html)
 *
 *  1. Whatever is set is set for that transaction alone: the session is somebody else's the next moment.
 *  2. The transaction writes nothing, so it has no number and, while it is idle, no snapshot: it doesn't hold back VACUUM. So its token is taken elsewhere.
 *  3. A mark, local to the transaction, tells whether a later statement is still in it. By a process number alone, it might be the same process by chance.
 *  4. The server does not see whether the client behind the pooler is there. So it ends a transaction in which nothing was asked for `serverPatienceMs`.
 */
import { randomBytes } from 'node:crypto'
import { SlocketError } from '../../errors.ts'
import type { Settings } from './options.ts'
import type { Session } from './session.ts'

export interface Scope {
  /** In front of every statement that is in no transaction of ours. */
  readonly prelude: string
  /** In the names of the functions for advisory locks: `pg_advisory_lock`, `pg_advisory_xact_lock`. */
  readonly infix: '' | 'xact_'
  /** Whether it is a transaction: then the token has to be taken by another session. */
  readonly isTransaction: boolean
  /** An expression: the server's process, or null where the lock's scope has ended. */
  readonly pid: string
  /** Of a session that is idle: gives its `pid`. */
  readonly signOfLife: string
  /** Makes a session ready to ask for one lock. @throws SlocketError; the session is ended then. */
  begin(session: Session): Promise<void>
  /** Releases whatever the session may hold, and ends what {@link begin} began. @throws SlocketError */
  end(session: Session): Promise<void>
}

const PID = 'pg_backend_pid()::text'
const END_SESSION = { doing: 'give back what a session holds' }

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
  // It is nobody's, and has none.
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
    // A server on Windows cannot check connections, and says so.
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

/** What PgBouncer says of every BEGIN, where its `pool_mode` is `statement`. */
function noTransactions(cause: unknown): SlocketError {
  const message = 'the pooler has no transactions (pool_mode = statement): it needs pool_mode = transaction, or session'
  return new SlocketError('ERR_SLOCKET_POOLER', message, { cause })
}

export function scopeOf(settings: Settings): Scope {
  return settings.pooler === 'transaction' ? new TransactionScope(settings) : OF_SESSION
}
