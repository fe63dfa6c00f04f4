/** What callers may say with a path, and how it is checked. Wrong arguments are TypeError or RangeError, at the call. */
import type { Engine } from './contract/engine.ts'
import { checkKnownOptions } from './contract/known-options.ts'
import type { Claim } from './core/claim.ts'
import { EXCLUSIVE, MAX_PERMITS, permitClaim, SHARED } from './core/claim.ts'
import type { LockAccess } from './contract/lock-access.ts'
import { ACCESSES, isAccess } from './contract/lock-access.ts'
import { OPTION_HINTS } from './option-hints.ts'

/** Whether others may hold with me. */
export type LockMode = 'exclusive' | 'shared'

/** What can be said with a path. */
export interface SlocketOptions {
  /** `exclusive`: nobody holds with me. `shared`: others who share may. Default: `exclusive`. */
  readonly mode?: LockMode | undefined
  /**
   * Makes the lock a counting semaphore: up to this many hold at once, 1 to 1,000,000. All who use the lock must say the
   * same number, and none may ask for `mode: 'shared'`.
   */
  readonly permits?: number | undefined
  /** How long to wait, in ms, 0 to 2,147,483,647; then ERR_SLOCKET_TIMEOUT. 0: only if it is free at once. Default: for ever. */
  readonly timeout?: number | undefined
  /** Calls the wait off: rejects with `signal.reason`. Has no effect once the lock is held. */
  readonly signal?: AbortSignal | undefined
  /** A short text that others see, in `query` and in their timeout errors. Up to 200 characters. */
  readonly label?: string | undefined
  /**
   * How long this process keeps its socket in the lock's directory after its last release, in ms, so that the next
   * acquire is quick. 0: leave at once. Default: 1000. At most 32 released locks keep theirs, those that were used last; none
   * if descriptors run out.
   */
  readonly linger?: number | undefined
  /**
   * Who can use the lock, whatever the umask is: `user`, processes of this user (and root); `group`, those of the group that files made in the
   * parent directory get; `all`, those of every user. All who use the lock should say the same. It decides how the lock's directory is
   * made, and widens one that this user made; it never narrows. Another user's directory that is too narrow is
   * ERR_SLOCKET_PERMISSION. SECURITY.md says what other users can then do. Default: what the umask leaves.
   *
   * For another engine: `local({ access })`. Within one process, requests with another `access` are those of another client.
   */
  readonly access?: LockAccess | undefined
  /** Where the lock lives. Default: the local engine. */
  readonly engine?: Engine | undefined
}

/** Options, checked. */
export interface Asked {
  readonly claim: Claim
  readonly mode: LockMode
  readonly timeoutMs: number | undefined
  readonly signal: AbortSignal | undefined
  readonly label: string | undefined
  readonly lingerMs: number
  readonly access: LockAccess | undefined
  readonly engine: Engine | undefined
}

const DEFAULT_LINGER_MS = 1000
/** The longest delay that a timer takes. */
const MAX_MS = 2 ** 31 - 1
const MAX_LABEL = 200

const KNOWN: ReadonlySet<string> = new Set<keyof SlocketOptions>([
  'mode',
  'permits',
  'timeout',
  'signal',
  'label',
  'linger',
  'engine',
  'access',
])

const DEFAULTS: Asked = {
  claim: EXCLUSIVE,
  mode: 'exclusive',
  timeoutMs: undefined,
  signal: undefined,
  label: undefined,
  lingerMs: DEFAULT_LINGER_MS,
  access: undefined,
  engine: undefined,
}

export function checkPath(path: unknown): asserts path is string {
  if (typeof path !== 'string') throw new TypeError(`path must be a string, not ${describe(path)}`)
  if (path === '') throw new TypeError('path must not be empty')
  if (path.includes('\0')) throw new TypeError('path must not contain a NUL character')
  if (!path.isWellFormed()) throw new TypeError('path must be well-formed Unicode: it has half of a surrogate pair')
}

/** @param of what they are options of, for messages: `slocket()`. */
export function parseOptions(options: unknown, of: string): Asked {
  if (options === undefined) return DEFAULTS
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw new TypeError(`options must be an object, not ${describe(options)}`)
  }
  checkKnownOptions(options, KNOWN, of, OPTION_HINTS)
  const given = options as Record<string, unknown>
  const { mode = 'exclusive', permits, timeout, signal, label, linger, access, engine } = given
  return {
    claim: parseClaim(mode, permits),
    mode: mode as LockMode,
    timeoutMs: timeout === undefined || timeout === Infinity ? undefined : parseMs('timeout', timeout),
    signal: parseSignal(signal),
    label: parseLabel(label),
    lingerMs: linger === undefined ? DEFAULT_LINGER_MS : parseMs('linger', linger),
    access: parseAccess(access, engine),
    engine: parseEngine(engine),
  }
}

function parseClaim(mode: unknown, permits: unknown): Claim {
  if (mode !== 'exclusive' && mode !== 'shared') {
    throw new TypeError(`options.mode must be 'exclusive' or 'shared', not ${describe(mode)}`)
  }
  if (permits === undefined) return mode === 'shared' ? SHARED : EXCLUSIVE
  if (typeof permits !== 'number') throw new TypeError(`options.permits must be a number, not ${describe(permits)}`)
  if (!Number.isInteger(permits) || permits < 1 || permits > MAX_PERMITS) {
    throw new RangeError(`options.permits must be a whole number from 1 to ${MAX_PERMITS}, not ${permits}`)
  }
  if (mode === 'shared') throw new TypeError("options.permits cannot be given with options.mode 'shared'")
  return permitClaim(permits)
}

function parseMs(name: string, value: unknown): number {
  if (typeof value !== 'number') throw new TypeError(`options.${name} must be a number (ms), not ${describe(value)}`)
  if (!(value >= 0 && value <= MAX_MS)) {
    throw new RangeError(`options.${name} must be from 0 to ${MAX_MS} ms, not ${value}`)
  }
  return value
}

function parseSignal(signal: unknown): AbortSignal | undefined {
  if (signal === undefined || signal instanceof AbortSignal) return signal
  throw new TypeError(`options.signal must be an AbortSignal, not ${describe(signal)}`)
}

function parseLabel(label: unknown): string | undefined {
  if (label === undefined) return undefined
  if (typeof label !== 'string') throw new TypeError(`options.label must be a string, not ${describe(label)}`)
  if (label.length > MAX_LABEL) throw new RangeError(`options.label must have at most ${MAX_LABEL} characters`)
  return label
}

function parseAccess(access: unknown, engine: unknown): LockAccess | undefined {
  if (access === undefined) return undefined
  if (!isAccess(access)) throw new TypeError(`options.access must be ${ACCESSES}, not ${describe(access)}`)
  if (engine === undefined) return access
  throw new TypeError(
    'options.access cannot be given with options.engine; local({ access }) makes an engine that has it',
  )
}

function parseEngine(engine: unknown): Engine | undefined {
  if (engine === undefined) return undefined
  const isEngine = typeof engine === 'object' && engine !== null && 'acquire' in engine && 'query' in engine
  if (!isEngine) throw new TypeError(`options.engine must be an engine, not ${describe(engine)}`)
  return engine as Engine
}

function describe(value: unknown): string {
  if (value === null) return 'null'
  return typeof value === 'string' ? `'${value.slice(0, 50)}'` : `a value of type ${typeof value}`
}
