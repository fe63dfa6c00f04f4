/** The statements about one lock. Their values are numbers, or checked names. */
import type { AcquireRequest } from '../../requests/engine.ts'
import type { Claim } from '../../core/claim.ts'
import type { About } from './about.ts'
import { describeSession, programName } from './about.ts'
import { keyOf, whereKey } from './key.ts'
import type { Scope } from './scope.ts'
import { IS_MARKED } from './scope.ts'

const IS_UNFLUSHED = 'pg_current_wal_flush_lsn() < pg_current_wal_insert_lsn()'
const WRITE = "pg_logical_emit_message(true, 'slocket', '')"

/**
 * A sequence writes 32 of its values ahead, and only the session that has written them waits for the disk. Another one would be told the next value at
 * once, and after a crash of the server at that moment it would come again. So who takes a token while anything is not on the disk writes something
 * itself, whose commit waits for all that was written before.
 */
const FLUSH = `CASE WHEN token IS NOT NULL AND ${IS_UNFLUSHED} THEN ${WRITE}::text END`

/** Fails, or gives false in `flushes`, where {@link FLUSH} cannot be. */
export const CAN_FLUSH: string = `SELECT (${IS_UNFLUSHED} IS NOT NULL
    AND has_function_privilege('pg_logical_emit_message(boolean, text, text)', 'EXECUTE'))::text AS flushes`

export class Statements {
  readonly name: string
  readonly key: bigint
  readonly #suffix: '' | '_shared'
  readonly #label: string | undefined
  readonly #comment: string
  readonly #take: string
  readonly #tryTo: string
  readonly #sequence: string
  readonly #scope: Scope

  constructor(
    name: string,
    { claim, label }: AcquireRequest,
    { namespace, sequence }: { namespace: string; sequence: string },
    scope: Scope,
  ) {
    this.name = name
    this.key = keyOf(namespace, name)
    this.#suffix = suffixOf(claim)
    this.#label = label
    this.#comment = this.#about(undefined)
    this.#sequence = sequence
    this.#scope = scope
    this.#take = this.#taking(`pg_advisory_${scope.infix}lock${this.#suffix}(${this.key})::text = ''`)
    this.#tryTo = this.#taking(`pg_try_advisory_${scope.infix}lock${this.#suffix}(${this.key})`)
  }

  /** Whether they are those of a request for the same lock. */
  areFor({ claim, label }: AcquireRequest): boolean {
    return this.#label === label && this.#suffix === suffixOf(claim)
  }

  /**
   * Takes the lock, then the token, in one go: CASE evaluates what it gives after its condition, and only where that is true. `token` is null where the
   * lock was refused. Of a transaction, it is `''` where the lock was granted, and {@link token} gives it.
   *
   * @param flush whether the token is to be on the disk before it is told, whoever has written it: see {@link FLUSH}.
   */
  take(wait: boolean, flush: boolean): string {
    const statement = wait ? this.#take : this.#tryTo
    return flush && !this.#scope.isTransaction
      ? `${this.#comment} SELECT token, pid, ${FLUSH} AS flushed FROM (${statement}) AS taken`
      : `${this.#comment} ${statement}`
  }

  /** Takes a token for a transaction that holds the lock. On the disk before it is told: see {@link FLUSH}; and whatever the settings of the session are. */
  token(flush: boolean): string {
    const statement = `SELECT nextval('${this.#sequence}')::text AS token`
    return `SELECT set_config('synchronous_commit', 'on', true) WHERE current_setting('synchronous_commit') IN ('off', 'local');
      ${flush ? `SELECT token, ${FLUSH} AS flushed FROM (${statement}) AS taken` : statement}`
  }

  signOfLife(heldMs: number): string {
    return `${this.#about(heldMs)} SELECT ${this.#scope.pid} AS pid`
  }

  /** Gives `unlocked`. Of a session, its parameter is the key: that one is for all locks. */
  release(): string {
    return this.#scope.isTransaction
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
    return `${this.#about(heldMs)} SELECT (CASE WHEN pg_advisory_lock_shared(${this.key})::text = '' THEN pg_advisory_unlock(${this.key}) END)::text AS unlocked,
      pg_backend_pid()::text AS pid`
  }

  /** As {@link release}, for a lock that was downgraded. */
  releaseShared(): string {
    return 'SELECT pg_advisory_unlock_shared($1)::text AS unlocked'
  }

  /** Gives a row where somebody waits because of one who holds it. */
  wanted(heldMs: number): string {
    return `${this.#about(heldMs)} SELECT '' AS wanted FROM pg_locks WHERE NOT granted AND ${whereKey(this.key)} LIMIT 1`
  }

  /** Gives a row where the server's process `pid` waits for it. */
  waits(pid: number): string {
    return `SELECT '' AS waits FROM pg_locks WHERE pid = ${pid} AND NOT granted AND ${whereKey(this.key)}`
  }

  /** Ends the wait of the server's process `pid`, if it waits. */
  cancel(pid: number): string {
    return `SELECT pg_cancel_backend(pid)::text AS cancelled FROM pg_locks WHERE pid = ${pid} AND NOT granted AND ${whereKey(this.key)}`
  }

  #taking(lock: string): string {
    const token = this.#scope.isTransaction ? "''" : `nextval('${this.#sequence}')::text`
    return `SELECT CASE WHEN ${lock} THEN ${token} END AS token, ${this.#scope.pid} AS pid`
  }

  #about(heldMs: number | undefined): string {
    const about: About = { name: this.name, label: this.#label, pid: process.pid, command: programName(), heldMs }
    return describeSession(about)
  }
}

function suffixOf({ kind }: Claim): '' | '_shared' {
  return kind === 'shared' ? '_shared' : ''
}

/** How many names it remembers. */
const MOST_REMEMBERED = 64

/** Those of the locks that were asked for last: they are long, and their key is a hash. */
export class RecentStatements {
  readonly #settings: { namespace: string; sequence: string }
  readonly #scope: Scope
  readonly #byName = new Map<string, Statements>()

  constructor(settings: { namespace: string; sequence: string }, scope: Scope) {
    this.#settings = settings
    this.#scope = scope
  }

  of(name: string, asked: AcquireRequest): Statements {
    const known = this.#byName.get(name)
    if (known?.areFor(asked) === true) return known
    const made = new Statements(name, asked, this.#settings, this.#scope)
    const [oldest] = this.#byName.keys()
    if (this.#byName.size >= MOST_REMEMBERED && oldest !== undefined) this.#byName.delete(oldest)
    this.#byName.set(name, made)
    return made
  }
}
