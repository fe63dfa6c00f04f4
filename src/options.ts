/** The options of `slocket()` and its relatives, and how they are checked. Wrong arguments are TypeError or RangeError, at the call. */
import type { Engine } from './requests/engine.ts'
import type { OptionHints } from './requests/known-options.ts'
import { describeValue, parsePath } from './requests/arguments.ts'
import { checkKnownOptions } from './requests/known-options.ts'
import type { Claim } from './core/claim.ts'
import { EXCLUSIVE, MAX_PERMITS, permitClaim, SHARED } from './core/claim.ts'
import type { LockMode, LockRequest, WaitNotice } from './lock-state.ts'
import type { LockAccess } from './requests/lock-access.ts'
import { ACCESSES, isAccess } from './requests/lock-access.ts'
import { optionHints } from './option-hints.ts'

export type { LockMode }

/** Options of `slocket()` and `slocket.with()`. An unknown option is a TypeError. */
export interface SlocketOptions {
  /**
   * Who else can hold the lock at the same time. `exclusive`: nobody. `shared`: other shared holders, such as the readers of a file that
   * an exclusive holder writes.
   *
   * Default: `exclusive`.
   */
  readonly mode?: LockMode | undefined
  /**
   * Makes the lock a semaphore: the number of permits that may be held at the same time, a whole number from 1 to 1,000,000. While the lock is in
   * use, a request without `permits` fails with ERR_SLOCKET_CLAIM_MISMATCH. It can't be combined with `mode: 'shared'`.
   *
   * Each request is judged by its own number, and none overtakes another. So a request waits until what is held ahead of it and what it takes
   * itself are no more than its own number, and until all requests ahead of it have their permits. Requests with different numbers can use
   * one lock: a larger number takes effect at once, a smaller one once enough holders have released.
   * On an engine whose `capabilities.take` isn't true, a request with another number fails with ERR_SLOCKET_CLAIM_MISMATCH.
   *
   * Default: not a semaphore.
   */
  readonly permits?: number | undefined
  /**
   * How many of the permits the request takes, all at once: a whole number from 1 to `permits`, which must be given too. They are released together. No later
   * request is served first, even if it needs fewer permits: a request for many isn't starved by requests for few.
   *
   * If the engine doesn't support more than 1, the call fails with a TypeError. All engines of this package support it, except `postgres()` through a
   * pooler, which has no permits. With `local()` on Windows the maximum is 100: a RangeError if it is exceeded.
   *
   * Default: `1`.
   */
  readonly take?: number | undefined
  /**
   * Limits the wait, in milliseconds, from 0 to 2,147,483,647. When that time is over, the call rejects with ERR_SLOCKET_TIMEOUT, holds nothing and no
   * longer waits. `0` takes the lock only if it is free. `Infinity` waits without a limit. It does not limit how long the lock is held.
   *
   * Default: `Infinity`.
   */
  readonly timeout?: number | undefined
  /**
   * Cancels the wait. If it aborts before the lock is acquired, the call rejects with `signal.reason`, holds nothing and no longer waits. After
   * that it has no effect: it does not release the lock.
   *
   * Default: the wait can't be cancelled.
   */
  readonly signal?: AbortSignal | undefined
  /**
   * Called while the call waits: once it has waited for `waitNoticeAfter` ms, and then each time that the holders, the number of requests ahead
   * or the obstacle have changed, or that a holder that hadn't answered has answered, at most once a second. It looks at the queue as `slocket.query` does, so it costs about as much; the more requests wait,
   * the less often it looks. No notice comes once the lock is acquired, or the wait has failed, been aborted or timed out.
   *
   * It does not keep the process alive. If it throws, that is an uncaught exception, as in an event listener, and the wait goes on. `slocket.sync` calls it in the
   * thread that blocks, and reports what it throws when that thread no longer blocks.
   *
   * Default: no notices.
   */
  readonly onWait?: ((notice: WaitNotice) => void) | undefined
  /**
   * How long the call may wait before the first wait notice, in milliseconds, from 0 to 2,147,483,647: for `onWait`, and for subscribers of the
   * diagnostics channel `slocket:wait-notice`.
   *
   * Default: `1000`.
   */
  readonly waitNoticeAfter?: number | undefined
  /**
   * Describes this request to people: shown by `slocket.query`, by `slocket status` and in the timeout errors of other waiters. Up to 200
   * characters. Don't put secrets in it.
   *
   * Default: no label.
   */
  readonly label?: string | undefined
  /**
   * How long this process keeps its socket in the lock's directory after its last release, in milliseconds, from 0 to 2,147,483,647. An
   * acquire within that time is faster. The lock itself is free as soon as it is released. `0` removes the socket at once. A thread keeps the sockets of
   * at most 32 released locks, the most recently used ones, and none if it runs out of file descriptors.
   *
   * Default: `1000`.
   */
  readonly linger?: number | undefined
  /**
   * For how long this process may serve its own requests for the lock out of turn, in milliseconds, from 0 to 60,000: a loop of acquire and release then doesn't
   * switch processes each time. The process goes on with its own requests for that long from its turn on, or from when it last saw nobody behind it; then it
   * hands the lock over. Nobody waits longer than by strict order plus, for each process ahead, one slice and one hold that began within it.
   *
   * With a slice, the lock is not free as soon as `release()` returns, but at the end of this turn of the event loop, unless the process acquires it again by
   * then. So don't block that turn, with `spawnSync`, `execSync` or `Atomics.wait`, on anything that needs the lock. If requests of one process give
   * different values, the shortest counts. Only for exclusive locks; the engines redis(), postgres() and etcd() ignore it.
   *
   * Default: `0`, strict order.
   */
  readonly slice?: number | undefined
  /**
   * Which users can use the lock, regardless of the umask. `user`: processes of this user, and root. `group`: the group that new files in the
   * parent directory get. `all`: every user. All users of a lock should give the same value.
   *
   * It sets the permissions of the lock's directory. It widens a directory that this user made, and never narrows one. If another user's
   * directory is too narrow, the call fails with ERR_SLOCKET_PERMISSION. SECURITY.md describes what other users can do.
   *
   * It can't be combined with `engine`: use `local({ access })` instead. In one process, requests with different values count as different clients.
   *
   * Default: what the umask allows.
   */
  readonly access?: LockAccess | undefined
  /**
   * Creates missing directories above the lock, as `mkdir -p` does, with the permissions that the umask allows. They stay when the lock's directory is removed.
   * Without it, the call fails with ERR_SLOCKET_NO_PARENT if the parent directory is missing. Engines whose locks have no directory ignore it.
   *
   * Default: `false`.
   */
  readonly parents?: boolean | undefined
  /**
   * The minimum time for which the lock stays held, in milliseconds, counted from the grant, from 0 to 2,147,483,647: so that a job that is done early runs at most
   * once in that time. A release, or the end of a body, takes effect when that time is over, and its promise resolves then.
   *
   * It keeps the process alive for that time, even if the lock is never released. If the process is killed, or calls `process.exit()`, the lock is free as
   * soon as it would be without this option. It has no effect on a lock that is lost.
   *
   * Default: `0`.
   */
  readonly atLeast?: number | undefined
  /**
   * Where the lock lives: `local()`, `memory()`, `etcd()`, `postgres()` or `redis()`. Create an engine once per process and use it for every call.
   *
   * Default: the local engine, for all processes of this machine.
   */
  readonly engine?: Engine | undefined
}

/** Options of `slocket.with()` and `slocket.all.with()`. An unknown option is a TypeError. */
export interface WithOptions extends SlocketOptions {
  /**
   * Whether the call may run under a lock that the caller already holds: if it comes from the body of another call of this process that holds the
   * same lock in the same engine, directly or through promises, timers and callbacks. Then it doesn't wait, and its end releases nothing. What the outer body
   * holds must cover what this call asks for: an exclusive lock covers a shared one, but not the other way round;
   * permits cover a request that takes no more of them and whose `permits` isn't smaller.
   *
   * Default: `false`: such a call rejects with ERR_SLOCKET_DEADLOCK.
   */
  readonly reentrant?: boolean | undefined
}

/**
 * Options of `slocket.lead()`. There is only one leader, so it has no `mode`, `permits` and `take`. A candidate waits until `signal` aborts, so it has no
 * `timeout`. The leader leads until its body has ended, so it has no `slice` and no `atLeast`.
 */
export type LeadOptions = Omit<SlocketOptions, 'mode' | 'permits' | 'take' | 'timeout' | 'slice' | 'atLeast'>

/** Options of `slocket.try()`. It never waits, so it has no `timeout`, no `onWait` and no `waitNoticeAfter`. */
export type TryOptions = Omit<SlocketOptions, 'timeout' | 'onWait' | 'waitNoticeAfter'>

/** Options of `slocket.query()`. It acquires nothing, so it has only `engine`. */
export type QueryOptions = Pick<SlocketOptions, 'engine'>

/** Options of `slocket.break()`. An unknown option is a TypeError. */
export interface BreakOptions {
  /**
   * Called with the holders before the lock is taken from them. They keep it unless this returns `true`, or a promise of `true`. A request that becomes a
   * holder after that call keeps the lock, unless it becomes one in the moment between the last look at the holders, after the answer, and the taking.
   *
   * Default: the lock is taken from all its holders.
   */
  readonly confirm?: ((held: LockRequest[]) => boolean | Promise<boolean>) | undefined
  /**
   * Where the lock lives, as `SlocketOptions.engine`. An engine that can't take a lock away, such as `postgres()`, causes a TypeError.
   *
   * Default: the local engine.
   */
  readonly engine?: Engine | undefined
}

/** Options of `slocket.sync()`. Nothing can abort a blocked thread, so it has no `signal`; it takes local locks, so it has no `engine`; it blocks at each call, so it has no `slice` and no `atLeast`. */
export type SyncOptions = Omit<SlocketOptions, 'signal' | 'engine' | 'slice' | 'atLeast'>

/** The options of a call, checked. */
export interface Asked {
  readonly claim: Claim
  readonly mode: LockMode
  readonly timeoutMs: number | undefined
  /** The time limit that an error names, if this is one of several waits within it. */
  readonly limitMs?: number | undefined
  /** See `AcquireRequest.identity`. */
  readonly identity?: object | undefined
  readonly signal: AbortSignal | undefined
  readonly onWait: ((notice: WaitNotice) => void) | undefined
  readonly noticeAfterMs: number
  readonly label: string | undefined
  readonly lingerMs: number
  readonly sliceMs: number
  readonly atLeastMs: number
  readonly isReentrant: boolean
  readonly access: LockAccess | undefined
  readonly parents: boolean
  readonly engine: Engine | undefined
}

const DEFAULT_LINGER_MS = 1000
const DEFAULT_NOTICE_MS = 1000
/** The longest delay of a timer. */
const MAX_MS = 2 ** 31 - 1
/** The longest slice. If it were longer, other processes would think that the lock is never free. */
export const MAX_SLICE_MS = 60_000
const MAX_LABEL = 200

const ALL: readonly (keyof WithOptions)[] = [
  'mode',
  'permits',
  'take',
  'timeout',
  'signal',
  'onWait',
  'waitNoticeAfter',
  'label',
  'linger',
  'slice',
  'parents',
  'engine',
  'access',
  'atLeast',
  'reentrant',
]

/** The options of a call. */
export interface CallOptions {
  /** The name of the call, for messages: `slocket()`. */
  readonly of: string
  readonly known: ReadonlySet<string>
  /** The options that it doesn't take, each with the reason. */
  readonly meaningless: OptionHints
}

/**
 * @param meaningless the options that the call doesn't take, each with the reason.
 * @param own the options that only it takes.
 */
export function callOptions(
  of: string,
  meaningless: { readonly [K in keyof WithOptions]?: string } = {},
  own: readonly string[] = [],
): CallOptions {
  const known = new Set([...ALL.filter((name) => !Object.hasOwn(meaningless, name)), ...own])
  return { of, known, meaningless }
}

/** The options of a call that was given none. */
const DEFAULTS: Asked = {
  claim: EXCLUSIVE,
  mode: 'exclusive',
  timeoutMs: undefined,
  signal: undefined,
  onWait: undefined,
  noticeAfterMs: DEFAULT_NOTICE_MS,
  label: undefined,
  lingerMs: DEFAULT_LINGER_MS,
  sliceMs: 0,
  atLeastMs: 0,
  isReentrant: false,
  access: undefined,
  parents: false,
  engine: undefined,
}

/** Returns a copy of the paths of a set; for a URL, its path. @throws TypeError */
export function parsePaths(paths: unknown): readonly string[] {
  if (!Array.isArray(paths)) throw new TypeError(`paths must be an array of paths, not ${describeValue(paths)}`)
  if (paths.length === 0) throw new TypeError('paths must not be empty')
  return Array.from(paths as unknown[], parsePath)
}

/** @throws TypeError, RangeError */
export function parseOptions(options: unknown, { of, known, meaningless }: CallOptions): Asked {
  if (options === undefined) return DEFAULTS
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw new TypeError(`options must be an object, not ${describeValue(options)}`)
  }
  // Inherited names come, too, but aren't refused. `Object.keys` would make an array at each call.
  for (const name in options) {
    if (!known.has(name)) checkKnownOptions(options, known, of, { ...optionHints(), ...meaningless })
  }
  const given = options as Record<string, unknown>
  const {
    mode = 'exclusive',
    permits,
    take,
    timeout,
    signal,
    label,
    linger,
    slice,
    access,
    engine,
    atLeast,
    reentrant,
  } = given
  const { onWait, waitNoticeAfter, parents } = given
  return {
    claim:
      mode === 'exclusive' && permits === undefined && take === undefined ? EXCLUSIVE : parseClaim(mode, permits, take),
    mode: mode as LockMode,
    timeoutMs: timeout === undefined || timeout === Infinity ? undefined : parseMs('timeout', timeout),
    signal: signal === undefined ? undefined : parseSignal(signal),
    onWait: onWait === undefined ? undefined : (parseFunction('onWait', onWait) as Asked['onWait']),
    noticeAfterMs: waitNoticeAfter === undefined ? DEFAULT_NOTICE_MS : parseMs('waitNoticeAfter', waitNoticeAfter),
    label: label === undefined ? undefined : parseLabel(label),
    lingerMs: linger === undefined ? DEFAULT_LINGER_MS : parseMs('linger', linger),
    sliceMs: slice === undefined ? 0 : parseSlice(slice, mode === 'exclusive' && permits === undefined),
    atLeastMs: atLeast === undefined ? 0 : parseMs('atLeast', atLeast),
    isReentrant: reentrant === undefined ? false : parseBoolean('reentrant', reentrant),
    access: access === undefined ? undefined : parseAccess(access, engine),
    parents: parents === undefined ? false : parseBoolean('parents', parents),
    engine: engine === undefined ? undefined : parseEngine(engine),
  }
}

function parseClaim(mode: unknown, permits: unknown, take: unknown): Claim {
  if (mode !== 'exclusive' && mode !== 'shared') {
    throw new TypeError(`options.mode must be 'exclusive' or 'shared', not ${describeValue(mode)}`)
  }
  if (permits === undefined) {
    if (take !== undefined) throw new TypeError('options.take needs options.permits: it says how many of them')
    return mode === 'shared' ? SHARED : EXCLUSIVE
  }
  const most = parseCount('permits', permits, MAX_PERMITS)
  if (mode === 'shared') throw new TypeError("options.permits cannot be given with options.mode 'shared'")
  return permitClaim(most, take === undefined ? 1 : parseCount('take', take, most))
}

function parseCount(name: string, value: unknown, most: number): number {
  if (typeof value !== 'number') throw new TypeError(`options.${name} must be a number, not ${describeValue(value)}`)
  if (!Number.isInteger(value) || value < 1 || value > most) {
    throw new RangeError(`options.${name} must be a whole number from 1 to ${most}, not ${value}`)
  }
  return value
}

/** @throws TypeError if the engine can't give several permits at once. */
export function refuseTake({ claim }: Asked, { name, capabilities }: Pick<Engine, 'name' | 'capabilities'>): void {
  if (claim.kind !== 'permit' || claim.take === 1 || capabilities.take === true) return
  throw new TypeError(`options.take must be 1: the engine '${name}' cannot give several permits at once`)
}

function parseMs(name: string, value: unknown, maxMs: number = MAX_MS): number {
  if (typeof value !== 'number')
    throw new TypeError(`options.${name} must be a number (ms), not ${describeValue(value)}`)
  if (!(value >= 0 && value <= maxMs)) {
    throw new RangeError(`options.${name} must be from 0 to ${maxMs} ms, not ${value}`)
  }
  return value
}

function parseSlice(value: unknown, isExclusive: boolean): number {
  const sliceMs = parseMs('slice', value, MAX_SLICE_MS)
  if (sliceMs > 0 && !isExclusive) {
    throw new TypeError("options.slice cannot be given with options.permits or with options.mode 'shared'")
  }
  return sliceMs
}

/** @throws TypeError, RangeError */
export function parseSliceMs(value: unknown): number {
  return parseMs('slice', value, MAX_SLICE_MS)
}

function parseSignal(signal: unknown): AbortSignal {
  if (signal instanceof AbortSignal) return signal
  throw new TypeError(`options.signal must be an AbortSignal, not ${describeValue(signal)}`)
}

export function parseFunction(name: string, value: unknown): (...parameters: never[]) => unknown {
  if (typeof value === 'function') return value as (...parameters: never[]) => unknown
  throw new TypeError(`options.${name} must be a function, not ${describeValue(value)}`)
}

function parseBoolean(name: string, value: unknown): boolean {
  if (typeof value === 'boolean') return value
  throw new TypeError(`options.${name} must be a boolean, not ${describeValue(value)}`)
}

function parseLabel(label: unknown): string {
  if (typeof label !== 'string') throw new TypeError(`options.label must be a string, not ${describeValue(label)}`)
  if (label.length > MAX_LABEL) throw new RangeError(`options.label must have at most ${MAX_LABEL} characters`)
  return label
}

function parseAccess(access: unknown, engine: unknown): LockAccess {
  if (!isAccess(access)) throw new TypeError(`options.access must be ${ACCESSES}, not ${describeValue(access)}`)
  if (engine === undefined) return access
  throw new TypeError(
    'options.access cannot be given with options.engine; local({ access }) makes an engine that has it',
  )
}

function parseEngine(engine: unknown): Engine {
  const isEngine = typeof engine === 'object' && engine !== null && 'acquire' in engine && 'query' in engine
  if (!isEngine) throw new TypeError(`options.engine must be an engine, not ${describeValue(engine)}`)
  return engine as Engine
}
