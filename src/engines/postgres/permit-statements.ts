/** Composes the SQL statements for the permits of one lock: see permit-keys.ts. There are no permits behind a pooler. */
import type { AcquireRequest } from '../../requests/engine.ts'
import type { PermitClaim } from '../../core/claim.ts'
import { isKey, WHERE_ANY_KEY } from './key.ts'
import { MIXED } from './permit-keys.ts'
import type { Scope } from './scope.ts'
import type { StatementSettings } from './statements.ts'
import { FLUSH, Statements } from './statements.ts'

export class PermitStatements extends Statements {
  readonly #claim: PermitClaim
  /** The channel that the request at the gate listens to. */
  readonly #channel: string
  readonly #idleMs: number

  constructor(name: string, asked: AcquireRequest, claim: PermitClaim, settings: StatementSettings, scope: Scope) {
    super(name, asked, settings, scope)
    this.#claim = claim
    this.#idleMs = settings.serverPatienceMs
    this.#channel = `slocket_${BigInt.asUintN(64, this.key).toString(16)}`
  }

  override get key(): bigint {
    return this.permitKeys.gate
  }

  /**
   * Waits for the gate, and takes permits if there is room. All this happens in the server, since the client may be stopped meanwhile. Returns `state`: `room`, with a
   * `token`; `full`: there was no room; `passing`: a try found another request at the gate that has not looked for room yet; or {@link MIXED}. After `full`, a request
   * that waits has the gate, and until {@link unlisten} its session has a limit on its idle time. In all other cases the session holds nothing.
   */
  override take(wait: boolean, flush: boolean): string {
    const { gate, waiting, present } = this.permitKeys
    const isGateTaken = wait ? `pg_advisory_lock(${gate})::text <> ''` : `NOT pg_try_advisory_lock(${gate})`
    // Shared, and released at once: two sessions that look must not mistake each other for a waiter.
    const busy = `CASE WHEN pg_try_advisory_lock_shared(${waiting})
      THEN CASE WHEN pg_advisory_unlock_shared(${waiting}) THEN 'passing' END ELSE 'full' END`
    const state = `CASE WHEN pg_advisory_lock_shared(${present})::text <> '' THEN NULL
      WHEN NOT pg_try_advisory_lock_shared(${this.ownKey}) THEN '${MIXED}'
      WHEN ${isGateTaken} THEN ${busy} ELSE ${this.permitKeys.firstLook(this.#claim, this.ownKey)} END`
    // A stopped process must not keep the gate: the server ends its session if that is idle for too long.
    const limitIdle = `left(set_config('idle_session_timeout', '${this.#idleMs}', false), 0)`
    const keepGate = wait
      ? `WHEN state = 'full' THEN nullif(pg_advisory_lock(${waiting})::text || ${limitIdle}, '')`
      : ''
    const orGiveUp = `${keepGate} ELSE nullif(pg_advisory_unlock_all()::text, '')`
    return `${this.comment} ${this.#settle(state, orGiveUp, [gate], flush)}`
  }

  /** Looks again, for the request that has the gate and has found no room. */
  takeAgain(waitedMs: number, flush: boolean): string {
    const { gate, waiting } = this.permitKeys
    const state = this.permitKeys.look(this.#claim, this.ownKey)
    return `${this.#waiting(waitedMs)} ${this.#settle(state, '', [waiting, gate], flush)}`
  }

  listen(waitedMs: number): string {
    return `${this.#waiting(waitedMs)} LISTEN ${this.#channel}`
  }

  /** Stops listening, and removes the limit on the session's idle time. */
  unlisten(): string {
    return `${this.comment} SET idle_session_timeout TO 0; UNLISTEN *`
  }

  override get releaseValues(): undefined {
    return undefined
  }

  /**
   * Releases the permits, the lock's own key, and then `present`, and wakes the request that waits for room, if there is one. A notification needs a commit, but the commit
   * needn't wait for the disk. https://www.postgresql.org/docs/current/sql-notify.html
   */
  override release(): string {
    const { waiting, present } = this.permitKeys
    const keys = [...this.permitKeys.taken(this.#claim.take), this.ownKey, present]
    const unlocked = keys.map((key) => `pg_advisory_unlock_shared(${key})`).join(' AND ')
    const notify = `CASE WHEN set_config('synchronous_commit', 'off', true) = 'off' THEN (pg_notify('${this.#channel}', '')::text = '')::text END`
    return `SELECT CASE WHEN ${unlocked} THEN CASE WHEN pg_try_advisory_lock_shared(${waiting})
      THEN pg_advisory_unlock_shared(${waiting})::text ELSE ${notify} END END AS unlocked`
  }

  override wanted(heldMs: number): string {
    const { gate, waiting } = this.permitKeys
    return `${this.about({ heldMs })} SELECT '' AS wanted FROM pg_locks WHERE ${WHERE_ANY_KEY}
      AND ((NOT granted AND ${isKey(gate)}) OR (granted AND mode = 'ExclusiveLock' AND ${isKey(waiting)})) LIMIT 1`
  }

  #waiting(waitedMs: number): string {
    return this.about({ heldMs: undefined, waitedMs })
  }

  /** @param keys are released in their order, after the permits and the token are taken. OFFSET 0 makes the server evaluate each part once, the inner part first. */
  #settle(state: string, otherwise: string, keys: readonly bigint[], flush: boolean): string {
    const taken = this.permitKeys.taken(this.#claim.take).map((key) => `pg_advisory_lock_shared(${key})::text = ''`)
    const left = keys.map((key) => `pg_advisory_unlock(${key})`)
    return `SELECT state, token, ${this.scope.pid} AS pid, CASE WHEN state = 'room' THEN (${left.join(' AND ')})::text END AS has_left
        ${flush ? `, ${FLUSH} AS flushed` : ''}
      FROM (SELECT state, CASE WHEN state = 'room' THEN CASE WHEN ${taken.join(' AND ')} THEN ${this.nextToken} END ${otherwise} END AS token
        FROM (SELECT ${state} AS state OFFSET 0) AS asked OFFSET 0) AS settled`
  }
}
