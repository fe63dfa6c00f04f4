/** Caches the statements of the most recent locks, since composing them takes a hash and long texts. */
import type { AcquireRequest } from '../../requests/engine.ts'
import { PermitStatements } from './permit-statements.ts'
import type { Scope } from './scope.ts'
import type { StatementSettings } from './statements.ts'
import { Statements } from './statements.ts'

/** How many names are cached. */
const MOST_REMEMBERED = 64

export class RecentStatements {
  readonly #settings: StatementSettings
  readonly #scope: Scope
  readonly #byName = new Map<string, Statements>()

  constructor(settings: StatementSettings, scope: Scope) {
    this.#settings = settings
    this.#scope = scope
  }

  of(name: string, asked: AcquireRequest): Statements {
    const known = this.#byName.get(name)
    if (known?.areFor(asked) === true) return known
    const made =
      asked.claim.kind === 'permit'
        ? new PermitStatements(name, asked, asked.claim, this.#settings, this.#scope)
        : new Statements(name, asked, this.#settings, this.#scope)
    const [oldest] = this.#byName.keys()
    if (this.#byName.size >= MOST_REMEMBERED && oldest !== undefined) this.#byName.delete(oldest)
    this.#byName.set(name, made)
    return made
  }
}
