/** Composes the SQL statements for one lock. Their values are numbers or checked names. */
import type { AcquireRequest } from '../../requests/engine.ts'
import type { Claim } from '../../core/claim.ts'
import { isSameClaim } from '../../core/claim.ts'
import type { About } from './about.ts'
import { describeSession, programName } from './about.ts'
import { keyOf, permitKeyOf, whereKey } from './key.ts'
import { MIXED, PermitKeys, UNSURE } from './permit-keys.ts'
import type { Scope } from './scope.ts'
import { IS_MARKED } from './scope.ts'

const IS_UNFLUSHED = 'pg_current_wal_flush_lsn() < pg_current_wal_insert_lsn()'
const WRITE = "pg_logical_emit_message(true, 'slocket', '')"

/**
 * Flushes the write-ahead log, so that no token is issued twice. The server logs 32 values of a sequence in advance, and only the session that logs them waits for the
 * disk. Another session would get its value at once; if the server crashed at that moment, it would issue that value again. So a session that takes a token while
 * the log isn't fully on the disk writes a message of its own, whose commit waits for everything that was logged before.
 */
export const FLUSH: string = `CASE WHEN token IS NOT NULL AND ${IS_UNFLUSHED} THEN ${WRITE}::text END`

/** Fails, or returns false in `flushes`, if {@link FLUSH} isn't possible. */
export const CAN_FLUSH: string = `SELECT (${IS_UNFLUSHED} IS NOT NULL
    AND has_function_privilege('pg_logical_emit_message(boolean, text, text)', 'EXECUTE'))::text AS flushes`

export interface StatementSettings {
  readonly namespace: string
  /** Quoted for SQL. */
  readonly sequence: string
  readonly serverPatienceMs: number
}

export class Statements {
  readonly name: string
  readonly claim: Claim
  protected readonly ownKey: bigint
  protected readonly scope: Scope
  protected readonly permitKeys: PermitKeys
  readonly #suffix: '' | '_shared'
  readonly #label: string | undefined
  readonly #comment: string
  readonly #sequence: string

  constructor(name: string, { claim, label }: AcquireRequest, settings: StatementSettings, scope: Scope) {
    this.name = name
    this.ownKey = keyOf(settings.namespace, name)
    this.claim = claim
    this.scope = scope
    this.permitKeys = new PermitKeys(permitKeyOf(settings.namespace, name))
    this.#suffix = suffixOf(claim)
    this.#label = label
    this.#comment = this.about({ heldMs: undefined })
    this.#sequence = settings.sequence
  }

  /** The key that a request waits for. */
  get key(): bigint {
    return this.ownKey
  }

  /** Whether the statements fit another request for the same lock. */
  areFor({ claim, label }: AcquireRequest): boolean {
    return this.#label === label && isSameClaim(this.claim, claim)
  }

  /**
   * Takes the lock, then the token, in one statement: CASE evaluates a result after its condition, and only if the condition is true. `token` is null if the
   * lock was not free, {@link MIXED} if permits are in use, and {@link UNSURE} if {@link takeSurely} has to decide. In a transaction, it is `''` if the lock was
   * granted, and {@link token} takes the token.
   *
   * All sessions that use permits share the lock's own key. That keeps exclusive requests out, but not shared ones (permit-keys.ts).
   *
   * @param flush whether the token must be on the disk before the client receives it, whichever session logged it: see {@link FLUSH}.
   */
  take(wait: boolean, flush: boolean): string {
    if (this.scope.isTransaction) return this.takeSurely(wait, flush)
    const isUnsure = `NOT ${this.permitKeys.areSurelyUnused()}`
    return this.#taking(
      this.isShared
        ? `CASE WHEN ${this.#lock(wait)} THEN ${this.#tokenUnless(isUnsure, `'${UNSURE}'`)} END`
        : this.#alone(wait, isUnsure, UNSURE),
      flush,
    )
  }

  /** Decides after {@link UNSURE}, by looking at all locks of the server. The session has its shared lock by then. */
  takeSurely(wait: boolean, flush: boolean): string {
    const { isTransaction } = this.scope
    const areInUse = this.permitKeys.areInUse()
    if (!this.isShared) return this.#taking(this.#alone(wait, areInUse, MIXED), flush)
    // A transaction keeps its lock until its end.
    if (isTransaction)
      return this.#taking(`CASE WHEN ${this.#lock(wait)} THEN ${this.#tokenUnless(areInUse, `'${MIXED}'`)} END`, flush)
    const release = `left(pg_advisory_unlock_shared(${this.ownKey})::text, 0)`
    return this.#taking(this.#tokenUnless(areInUse, `${release} || '${MIXED}'`), flush)
  }

  /** Takes a token for a transaction that holds the lock. The token is on the disk before the client receives it, whatever the settings of the session are: see {@link FLUSH}. */
  token(flush: boolean): string {
    const statement = `SELECT ${this.nextToken} AS token`
    return `SELECT set_config('synchronous_commit', 'on', true) WHERE current_setting('synchronous_commit') IN ('off', 'local');
      ${flush ? `SELECT token, ${FLUSH} AS flushed FROM (${statement}) AS taken` : statement}`
  }

  signOfLife(heldMs: number): string {
    return `${this.about({ heldMs })} SELECT ${this.scope.pid} AS pid`
  }

  /** The parameters of {@link release}. */
  get releaseValues(): string[] | undefined {
    return this.scope.isTransaction ? undefined : [String(this.key)]
  }

  /** Releases the lock, and returns `unlocked`. For a session, the key is a parameter, so that the statement is the same for all locks. */
  release(): string {
    return this.scope.isTransaction
      ? `SELECT (${IS_MARKED})::text AS unlocked; COMMIT`
      : `SELECT pg_advisory_unlock${this.#suffix}($1)::text AS unlocked`
  }

  /** Whether the request is for a shared lock. */
  get isShared(): boolean {
    return this.#suffix === '_shared'
  }

  /**
   * Turns the session's exclusive lock into a shared one. It takes the shared lock first, so that the lock isn't free in between. That lock is granted at once: the
   * server puts a session that already holds the lock before all waiters (`ProcSleep` in src/backend/storage/lmgr/proc.c). `pg_try_advisory_lock_shared` would fail if
   * another session waits.
   */
  downgrade(heldMs: number): string {
    return `${this.about({ heldMs })} SELECT (CASE WHEN pg_advisory_lock_shared(${this.key})::text = '' THEN pg_advisory_unlock(${this.key}) END)::text AS unlocked,
      pg_backend_pid()::text AS pid`
  }

  /** As {@link release}, for a lock that was downgraded. */
  releaseShared(): string {
    return 'SELECT pg_advisory_unlock_shared($1)::text AS unlocked'
  }

  /** Returns a row if another session waits for the lock. */
  wanted(heldMs: number): string {
    return `${this.about({ heldMs })} SELECT '' AS wanted FROM pg_locks WHERE NOT granted AND ${whereKey(this.key)} LIMIT 1`
  }

  /** Returns a row if the server's process `pid` waits for the lock. */
  waits(pid: number): string {
    return `SELECT '' AS waits FROM pg_locks WHERE pid = ${pid} AND NOT granted AND ${whereKey(this.key)}`
  }

  /** Ends the wait of the server's process `pid`, if it waits. */
  cancel(pid: number): string {
    return `SELECT pg_cancel_backend(pid)::text AS cancelled FROM pg_locks WHERE pid = ${pid} AND NOT granted AND ${whereKey(this.key)}`
  }

  /** The comment in front of a statement: see about.ts. */
  protected get comment(): string {
    return this.#comment
  }

  protected get nextToken(): string {
    return `nextval('${this.#sequence}')::text`
  }

  protected about(state: Pick<About, 'heldMs' | 'waitedMs'>): string {
    const claim = this.claim.kind === 'permit' ? this.claim : undefined
    return describeSession({
      name: this.name,
      label: this.#label,
      pid: process.pid,
      command: programName(),
      ...state,
      claim,
    })
  }

  #taking(token: string, flush: boolean): string {
    const statement = `SELECT ${token} AS token, ${this.scope.pid} AS pid`
    return flush && !this.scope.isTransaction
      ? `${this.#comment} SELECT token, pid, ${FLUSH} AS flushed FROM (${statement}) AS taken`
      : `${this.#comment} ${statement}`
  }

  #alone(wait: boolean, condition: string, otherwise: string): string {
    const orWait = wait ? `WHEN ${this.#lock(true)} THEN ${this.#granted}` : ''
    return `CASE WHEN ${this.#lock(false)} THEN ${this.#granted} WHEN ${condition} THEN '${otherwise}' ${orWait} END`
  }

  #tokenUnless(condition: string, otherwise: string): string {
    return `CASE WHEN ${condition} THEN ${otherwise} ELSE ${this.#granted} END`
  }

  #lock(wait: boolean): string {
    const name = `advisory_${this.scope.infix}lock${this.#suffix}(${this.ownKey})`
    return wait ? `pg_${name}::text = ''` : `pg_try_${name}`
  }

  get #granted(): string {
    return this.scope.isTransaction ? "''" : this.nextToken
  }
}

function suffixOf({ kind }: Claim): '' | '_shared' {
  return kind === 'shared' ? '_shared' : ''
}
