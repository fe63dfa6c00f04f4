/**
 * Takes a lock inside a transaction of the caller, on the caller's connection. The lock ends with the transaction, so nothing here releases it.
 *
 *  1. No lock is taken outside of a transaction, since it would end with its statement. The check: a setting that one statement makes local to its transaction is
 *     visible to the next statement only if both run in the same transaction.
 *  2. No statement fails because the lock isn't free. A failed statement would abort the transaction, and some clients roll back even if the error
 *     is caught (postgres.js 3.4).
 *  3. Every statement is complete and has no parameters, so that any client can run it. Its values are numbers and checked names. Functions, types and
 *     operators are the server's own, whatever the `search_path` is.
 */
import { randomBytes } from 'node:crypto'
import { EXCLUSIVE, SHARED } from '../../core/claim.ts'
import { SlocketError } from '../../errors.ts'
import { describeValue } from '../../requests/arguments.ts'
import { checkKnownOptions } from '../../requests/known-options.ts'
import { describeSession, programName } from './about.ts'
import { halvesOf, keyOf, permitKeyOf } from './key.ts'
import { mismatch } from './permit-gate.ts'
import { MIXED, PermitKeys } from './permit-keys.ts'
import { DEFAULT_NAMESPACE, parseNamespace } from './options.ts'

/**
 * What {@link lockTransaction} needs of a client: to run a statement on the connection of the transaction. `pg`'s clients and TypeORM's entity managers have
 * it; docs/engines/postgres.md has a line for each other client.
 */
export interface TransactionClient {
  /** Runs one statement without parameters. Resolves with its rows, as objects, or with an object that has them as `rows`. */
  query(text: string): PromiseLike<unknown>
}

/** Options of {@link lockTransaction}. An unknown option is a TypeError. */
export interface TransactionLockOptions {
  /** Who else may hold the lock at the same time: nobody, or other shared holders. Default: `exclusive`. */
  readonly mode?: 'exclusive' | 'shared' | undefined
  /** Whether to wait if the lock isn't free. If false, the call resolves with `false` instead, and `timeout` can't be given. Default: `true`. */
  readonly wait?: boolean | undefined
  /**
   * Limits the wait, in milliseconds, from 0 to 2,147,483,647; `Infinity`: no limit. While the call waits, this replaces the server's setting
   * `lock_timeout`. Default: `Infinity`.
   */
  readonly timeout?: number | undefined
  /** The `namespace` of the locks: the same as for the engines that the lock has to exclude. Default: `slocket`. */
  readonly namespace?: string | undefined
}

interface Asked {
  readonly mode: 'exclusive' | 'shared'
  readonly wait: boolean
  /** The server's setting. 0 means no limit. */
  readonly lockTimeoutMs: number
  /** Whether the timeout is 0: only a free lock is taken. */
  readonly isNow: boolean
  readonly timeout: number
  readonly namespace: string
}

type Outcome = 'granted' | 'busy'

const KNOWN_OPTIONS: ReadonlySet<string> = new Set(['mode', 'wait', 'timeout', 'namespace'])
const MAX_MS = 2 ** 31 - 1
const SETTING = 'slocket.transaction'
const MARK = randomBytes(8).toString('hex')
const IS_MARKED = `pg_catalog.current_setting('${SETTING}', true) OPERATOR(pg_catalog.=) '${MARK}'`
const MARK_TRANSACTION = `SELECT pg_catalog.set_config('${SETTING}', '${MARK}', true) AS mark, pg_catalog.pg_is_in_recovery()::pg_catalog.text AS standby`

/**
 * Takes a lock inside the transaction that `client` is in. The lock ends with the transaction, however that ends: by commit, by rollback, or because the
 * connection is lost. `ROLLBACK TO` a savepoint from before the call releases it, too.
 *
 * It is the same lock as `slocket(name, { engine: postgres(…) })` takes in the same database and namespace, so the two exclude each other, first come, first
 * served. A transaction that holds the lock gets it again at once.
 *
 * ```js
 * await client.query('BEGIN')
 * await lockTransaction(client, 'ledger')
 * await client.query('UPDATE …')
 * await client.query('COMMIT')
 * ```
 *
 * If the lock isn't free in time, the transaction is not aborted, and holds what it held before. If the process is killed, the server ends the transaction
 * when it notices that the connection is gone. Errors of the client and the server are thrown as they are, among them SQLSTATE 40P01, if the server finds that
 * transactions wait for each other. Such an error has aborted the transaction.
 *
 * In a transaction with the isolation level REPEATABLE READ or SERIALIZABLE, the first statement decides what all later statements see. Even if this call is the first statement,
 * the transaction does not see what was committed while the call waited. (https://www.postgresql.org/docs/current/explicit-locking.html#ADVISORY-LOCKS, https://www.postgresql.org/docs/current/transaction-iso.html)
 *
 * @param client see {@link TransactionClient}. Not a pool: it runs each statement on another connection.
 * @param name the name of the lock, as for `slocket()` with the engine.
 * @param options see {@link TransactionLockOptions}.
 * @returns `true` if the transaction holds the lock; `false`, only with `wait: false`, if it is held, or others are already waiting for it.
 * @throws TypeError, RangeError for wrong or unknown options.
 * @throws SlocketError ERR_SLOCKET_NO_TRANSACTION if the client is not in a transaction; ERR_SLOCKET_TIMEOUT if the lock was not free within `timeout`;
 * ERR_SLOCKET_READ_ONLY on a standby, whose locks exclude nobody on the primary; ERR_SLOCKET_CLAIM_MISMATCH if permits of that name are held or waited for. In that
 * case, a shared lock may stay held until the end of the transaction.
 */
export async function lockTransaction(
  client: TransactionClient,
  name: string,
  options?: TransactionLockOptions,
): Promise<boolean> {
  checkClient(client)
  if (typeof name !== 'string') throw new TypeError(`name must be a string, not ${describeValue(name)}`)
  const asked = parseOptions(options)
  const row = await runFor(client, MARK_TRANSACTION)
  if (row['standby'] === 'true') {
    const message = `the lock '${name}' was requested on a standby, whose locks exclude nobody on the primary: connect to the primary`
    throw new SlocketError('ERR_SLOCKET_READ_ONLY', message)
  }
  const key = keyOf(asked.namespace, name)
  // A try also fails if others are already waiting.
  if ((await tryIn(client, name, key, asked)) === 'granted') return true
  if (!asked.wait) return false
  if (!asked.isNow) {
    await client.query(waitStatement(name, key, asked))
    // A transaction can take a lock again that it holds.
    if ((await tryIn(client, name, key, asked)) === 'granted') return true
  }
  throw new SlocketError('ERR_SLOCKET_TIMEOUT', `the lock '${name}' was not free within ${asked.timeout} ms`)
}

/** @throws ERR_SLOCKET_NO_TRANSACTION */
async function tryIn(client: TransactionClient, name: string, key: bigint, asked: Asked): Promise<Outcome> {
  const taken = `pg_catalog.pg_try_advisory_xact_lock${suffixOf(asked)}(${key})`
  const unlessMixed = (then: string): string =>
    `CASE WHEN ${arePermitsInUse(name, asked)} THEN '${MIXED}' ELSE '${then}' END`
  // All sessions that use permits share the lock's own key.
  const granted = asked.mode === 'shared' ? unlessMixed('granted') : "'granted'"
  const { outcome } = await runFor(
    client,
    `SELECT CASE WHEN ${IS_MARKED} THEN CASE WHEN ${taken} THEN ${granted} ELSE ${unlessMixed('busy')} END END AS outcome`,
  )
  if (outcome === 'granted' || outcome === 'busy') return outcome
  if (outcome === MIXED) throw mismatch(name, asked.mode === 'shared' ? SHARED : EXCLUSIVE)
  const message = `the lock '${name}' would end with its statement: the client is not in a transaction. Run BEGIN first, on the same client; a pool runs each statement on another connection`
  throw new SlocketError('ERR_SLOCKET_NO_TRANSACTION', message)
}

/** A condition: see permit-keys.ts. */
function arePermitsInUse(name: string, { namespace }: Asked): string {
  const [high, low] = halvesOf(new PermitKeys(permitKeyOf(namespace, name)).present)
  const is = (column: string, value: unknown): string => `${column} OPERATOR(pg_catalog.=) ${String(value)}`
  const database = `(SELECT oid FROM pg_catalog.pg_database WHERE ${is('datname', 'pg_catalog.current_database()')})`
  const conditions = [
    is('locktype', "'advisory'"),
    is('database', database),
    is('objsubid', 1),
    is('classid', high),
    is('objid', low),
    is('mode', "'ShareLock'"),
    'granted',
  ]
  return `EXISTS (SELECT FROM pg_catalog.pg_locks WHERE ${conditions.join(' AND ')})`
}

/** Waits, and gives up without failing: after a timeout, only the inner block is rolled back, and the transaction goes on. */
function waitStatement(name: string, key: bigint, asked: Asked): string {
  const about = describeSession({
    name,
    label: undefined,
    pid: process.pid,
    command: programName(),
    heldMs: undefined,
  })
  return `${about} DO $slocket$
    DECLARE lock_timeout_before pg_catalog.text := pg_catalog.current_setting('lock_timeout');
    BEGIN
      IF ${IS_MARKED} THEN
        BEGIN
          PERFORM pg_catalog.set_config('lock_timeout', '${asked.lockTimeoutMs}', true);
          PERFORM pg_catalog.pg_advisory_xact_lock${suffixOf(asked)}(${key});
        EXCEPTION WHEN lock_not_available THEN
          NULL;
        END;
        PERFORM pg_catalog.set_config('lock_timeout', lock_timeout_before, true);
      END IF;
    END $slocket$`
}

function suffixOf({ mode }: Asked): string {
  return mode === 'shared' ? '_shared' : ''
}

/** @throws TypeError if the client returns no row. */
async function runFor(client: TransactionClient, statement: string): Promise<Readonly<Record<string, unknown>>> {
  const result = await client.query(statement)
  const rows = isObject(result) && 'rows' in result ? result['rows'] : result
  const row: unknown = Array.isArray(rows) ? rows[0] : undefined
  if (isObject(row)) return row
  throw new TypeError('client.query() must resolve with the rows, as objects, or with an object that has them as rows')
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}

function checkClient(client: unknown): void {
  if (isObject(client) && typeof client['query'] === 'function') return
  throw new TypeError(
    `client must have a method query(text) that runs in the transaction: for clients without one, pass { query: (text) => … } (docs/engines/postgres.md)`,
  )
}

function parseOptions(options: unknown = {}): Asked {
  if (!isObject(options) || Array.isArray(options)) {
    throw new TypeError(`options must be an object, not ${describeValue(options)}`)
  }
  checkKnownOptions(options, KNOWN_OPTIONS, 'lockTransaction()')
  const { mode = 'exclusive', wait = true, timeout, namespace = DEFAULT_NAMESPACE } = options
  if (mode !== 'exclusive' && mode !== 'shared') {
    throw new TypeError(`options.mode must be 'exclusive' or 'shared', not ${describeValue(mode)}`)
  }
  if (typeof wait !== 'boolean') throw new TypeError(`options.wait must be a boolean, not ${describeValue(wait)}`)
  if (!wait && timeout !== undefined) throw new TypeError("options.timeout can't be given with options.wait false")
  const timeoutMs = parseTimeout(timeout ?? Infinity)
  return {
    mode,
    wait,
    timeout: timeoutMs,
    isNow: timeoutMs === 0,
    lockTimeoutMs: timeoutMs === Infinity ? 0 : Math.ceil(timeoutMs),
    namespace: parseNamespace(namespace),
  }
}

function parseTimeout(value: unknown): number {
  if (typeof value !== 'number')
    throw new TypeError(`options.timeout must be a number (ms), not ${describeValue(value)}`)
  if (value === Infinity || (value >= 0 && value <= MAX_MS)) return value
  throw new RangeError(`options.timeout must be from 0 to ${MAX_MS} ms, or Infinity, not ${value}`)
}
