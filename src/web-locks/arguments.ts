/**
 * Converts the arguments of `request` in the order and by the rules of WebIDL, then checks them in the order of the Web Locks
 * specification. Whatever is thrown here becomes a rejection.
 */
import type { LockGrantedCallback, LockMode } from './types.ts'

/** Arguments, converted. */
export interface AskedLock {
  readonly name: string
  readonly mode: LockMode
  readonly ifAvailable: boolean
  readonly steal: boolean
  readonly signal: AbortSignal | undefined
  readonly callback: LockGrantedCallback<unknown>
}

/** @throws TypeError; whatever a conversion function of the caller throws. */
export function convertArguments(given: readonly unknown[]): AskedLock {
  if (given.length < 2)
    throw new TypeError(`request needs a name and a callback, and got ${given.length} of two arguments`)
  const name = toText(given[0])
  const options = given.length > 2 ? given[1] : undefined
  const converted = convertOptions(options)
  const callback = given.length > 2 ? given[2] : given[1]
  if (typeof callback !== 'function') throw new TypeError('the callback of request must be a function')
  return { name, ...converted, callback: callback as LockGrantedCallback<unknown> }
}

/** Converts a dictionary: members are read in the order of their names. */
function convertOptions(options: unknown): Omit<AskedLock, 'name' | 'callback'> {
  if (options === undefined || options === null) {
    return { ifAvailable: false, mode: 'exclusive', signal: undefined, steal: false }
  }
  if (typeof options !== 'object' && typeof options !== 'function') {
    throw new TypeError('the options of request must be an object')
  }
  const given = options as Record<'ifAvailable' | 'mode' | 'signal' | 'steal', unknown>
  const ifAvailable = Boolean(given.ifAvailable)
  const mode = convertMode(given.mode)
  const signal = convertSignal(given.signal)
  return { ifAvailable, mode, signal, steal: Boolean(given.steal) }
}

function convertMode(value: unknown): LockMode {
  if (value === undefined) return 'exclusive'
  const mode = toText(value)
  if (mode !== 'exclusive' && mode !== 'shared') {
    throw new TypeError(`options.mode must be 'exclusive' or 'shared', not '${mode}'`)
  }
  return mode
}

/** ToString of ECMAScript. String() would accept a symbol, too. */
function toText(value: unknown): string {
  if (typeof value === 'symbol') throw new TypeError('a symbol is not a string')
  return String(value)
}

function convertSignal(value: unknown): AbortSignal | undefined {
  if (value === undefined) return undefined
  try {
    // Throws for anything that isn't an AbortSignal, also for an object that only has its prototype.
    Reflect.get(AbortSignal.prototype, 'aborted', value)
  } catch (error) {
    throw new TypeError('options.signal must be an AbortSignal', { cause: error })
  }
  return value as AbortSignal
}

/** @throws DOMException (NotSupportedError). */
export function refuseUnsupported(asked: AskedLock): void {
  const { name, mode, ifAvailable, steal, signal } = asked
  if (name.startsWith('-')) throw notSupported("a name must not begin with '-'")
  if (steal && ifAvailable) throw notSupported('steal and ifAvailable cannot go together')
  if (steal && mode !== 'exclusive') throw notSupported('only an exclusive lock can be stolen')
  if (signal !== undefined && (steal || ifAvailable)) {
    throw notSupported(`signal and ${steal ? 'steal' : 'ifAvailable'} cannot go together`)
  }
}

export function notSupported(message: string): DOMException {
  return new DOMException(message, 'NotSupportedError')
}
