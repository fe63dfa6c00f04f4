/** The statements about one lock. Their values are numbers, or checked names. */
import type { AcquireRequest } from '../../contract/engine.ts'
import type { About } from './about.ts'
import { describeSession, programName } from './about.ts'
import { keyOf, whereKey } from './key.ts'

export class Statements {
  readonly name: string
  readonly key: bigint
  readonly #suffix: '' | '_shared'
  readonly #sequence: string
  readonly #label: string | undefined

  constructor(
    name: string,
    { claim, label }: AcquireRequest,
    { namespace, sequence }: { namespace: string; sequence: string },
  ) {
    this.name = name
    this.key = keyOf(namespace, name)
    this.#suffix = claim.kind === 'shared' ? '_shared' : ''
    this.#sequence = sequence
    this.#label = label
  }

  /**
   * Takes the lock, then the token, in one go: CASE evaluates what it gives after its condition, and only where that is true. `token` is null where the
   * lock was refused.
   */
  take(wait: boolean): string {
    const lock = wait
      ? `pg_advisory_lock${this.#suffix}(${this.key})::text = ''`
      : `pg_try_advisory_lock${this.#suffix}(${this.key})`
    return `${this.#about(undefined)} SELECT CASE WHEN ${lock} THEN nextval('${this.#sequence}')::text END AS token, pg_backend_pid()::text AS pid, (extract(epoch FROM clock_timestamp()) * 1000)::text AS since`
  }

  signOfLife(sinceMs: number): string {
    return `${this.#about(sinceMs)} SELECT pg_backend_pid()::text AS pid`
  }

  release(): string {
    return `SELECT pg_advisory_unlock${this.#suffix}(${this.key})::text AS unlocked`
  }

  /** Gives a row where somebody waits because of one who holds it. */
  wanted(sinceMs: number): string {
    return `${this.#about(sinceMs)} SELECT '' AS wanted FROM pg_locks WHERE NOT granted AND ${whereKey(this.key)} LIMIT 1`
  }

  /** Gives a row where the server's process `pid` waits for it. */
  waits(pid: number): string {
    return `SELECT '' AS waits FROM pg_locks WHERE pid = ${pid} AND NOT granted AND ${whereKey(this.key)}`
  }

  /** Ends the wait of the server's process `pid`, if it waits. */
  callOff(pid: number): string {
    return `SELECT pg_cancel_backend(pid)::text AS cancelled FROM pg_locks WHERE pid = ${pid} AND NOT granted AND ${whereKey(this.key)}`
  }

  #about(sinceMs: number | undefined): string {
    const about: About = { name: this.name, label: this.#label, pid: process.pid, command: programName(), sinceMs }
    return describeSession(about)
  }
}

/** Whatever the session may hold. */
export const RELEASE_ALL = 'SELECT pg_advisory_unlock_all()::text AS released'
