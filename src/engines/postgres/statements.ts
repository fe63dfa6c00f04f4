/** The statements about one lock. Their values are numbers, or checked names. */
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
 * A sequence writes 32 of its values ahead, and only the session that has written them waits for the disk. Another one would be told the next value at
 * once, and after a crash of the server at that moment it would come again. So who takes a token while anything is not on the disk writes something
 * itself, whose commit waits for all that was written before.
 */
export const FLUSH: string = `CASE WHEN token IS NOT NULL AND ${IS_UNFLUSHED} THEN ${WRITE}::text END`

/** Fails, or gives false in `flushes`, where {@link FLUSH} cannot be. */
export const CAN_FLUSH: string = `SELECT (${IS_UNFLUSHED} IS NOT NULL
    AND has_function_privilege('pg_logical_emit_message(boolean, text, text)', 'EXECUTE'))::text AS flushes`

export interface StatementSettings {
  readonly namespace: string
  /** Quoted. */
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

  /** That which a request waits for. */
  get key(): bigint {
    return this.ownKey
  }

  /** Whether they are those of a request for the same lock. */
  areFor({ claim, label }: AcquireRequest): boolean {
    return this.#label === label && isSameClaim(this.claim, claim)
  }

  /**
   * Takes the lock, then the token, in one go: CASE evaluates what it gives after its condition, and only where that is true. `token` is null where the
   * lock was refused, {@link MIXED} if permits are in use, and {@link UNSURE} if {@link takeSurely} has to go on. Of a transaction, it is `''` where the lock was
   * granted, and {@link token} gives it.
   *
   * All that use permits share the lock: an exclusive one is not granted beside them, but a shared one would be (permit-keys.ts).
   *
   * @param flush whether the token is to be on the disk before it is told, whoever has written it: see {@link FLUSH}.
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

  /** After {@link UNSURE}, by a look at all locks of the server. The session has its shared lock by then. */
  takeSurely(wait: boolean, flush: boolean): string {
    const { isTransaction } = this.scope
    const areInUse = this.permitKeys.areInUse()
    if (!this.isShared) return this.#taking(this.#alone(wait, areInUse, MIXED), flush)
    // A transaction releases it at its end.
    if (isTransaction)
      return this.#taking(`CASE WHEN ${this.#lock(wait)} THEN ${this.#tokenUnless(areInUse, `'${MIXED}'`)} END`, flush)
    const giveBack = `left(pg_advisory_unlock_shared(${this.ownKey})::text, 0)`
    return this.#taking(this.#tokenUnless(areInUse, `${giveBack} || '${MIXED}'`), flush)
  }

  /** Takes a token for a transaction that holds the lock. On the disk before it is told: see {@link FLUSH}; and whatever the settings of the session are. */
  token(flush: boolean): string {
    const statement = `SELECT ${this.nextToken} AS token`
    return `SELECT set_config('synchronous_commit', 'on', true) WHERE current_setting('synchronous_commit') IN ('off', 'local');
      ${flush ? `SELECT token, ${FLUSH} AS flushed FROM (${statement}) AS taken` : statement}`
  }

  signOfLife(heldMs: number): string {
    return `${this.about({ heldMs })} SELECT ${this.scope.pid} AS pid`
  }

  /** Of {@link release}. */
  get releaseValues(): string[] | undefined {
    return this.scope.isTransaction ? undefined : [String(this.key)]
  }

  /** Gives `unlocked`. Of a session, its parameter is the key: that one is for all locks. */
  release(): string {
    return this.scope.isTransaction
      ? `SELECT (${IS_MARKED})::text AS unlocked; COMMIT`
      : `SELECT pg_advisory_unlock${this.#suffix}($1)::text AS unlocked`
  }

  /** Whether it is shared by those who take it. */
  get isShared(): boolean {
    return this.#suffix === '_shared'
  }

  /**
   * Makes the exclusive lock of the session a shared one: takes that first, so that the lock is not free in between. It is granted at once: who holds already comes
   * before all who wait for that (`ProcSleep` in src/backend/storage/lmgr/proc.c). `pg_try_advisory_lock_shared` would fail if somebody waits.
   */
  downgrade(heldMs: number): string {
    return `${this.about({ heldMs })} SELECT (CASE WHEN pg_advisory_lock_shared(${this.key})::text = '' THEN pg_advisory_unlock(${this.key}) END)::text AS unlocked,
      pg_backend_pid()::text AS pid`
  }

  /** As {@link release}, for a lock that was downgraded. */
  releaseShared(): string {
    return 'SELECT pg_advisory_unlock_shared($1)::text AS unlocked'
  }

  /** Gives a row where somebody waits because of one who holds it. */
  wanted(heldMs: number): string {
    return `${this.about({ heldMs })} SELECT '' AS wanted FROM pg_locks WHERE NOT granted AND ${whereKey(this.key)} LIMIT 1`
  }

  /** Gives a row where the server's process `pid` waits for it. */
  waits(pid: number): string {
    return `SELECT '' AS waits FROM pg_locks WHERE pid = ${pid} AND NOT granted AND ${whereKey(this.key)}`
  }

  /** Ends the wait of the server's process `pid`, if it waits. */
  cancel(pid: number): string {
    return `SELECT pg_cancel_backend(pid)::text AS cancelled FROM pg_locks WHERE pid = ${pid} AND NOT granted AND ${whereKey(this.key)}`
  }

  /** In front of a statement. */
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
