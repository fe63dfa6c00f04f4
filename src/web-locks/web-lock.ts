/** The `Lock` of the Web Locks specification: a name and a mode, and no method that releases it. */
import type { LockMode, WebLock } from './types.ts'

const KEY = Symbol('made by a grant')

class Lock implements WebLock {
  readonly #name: string
  readonly #mode: LockMode

  constructor(key: symbol, name: string, mode: LockMode) {
    if (key !== KEY) throw new TypeError('Illegal constructor: locks are made by LockManager.request')
    this.#name = name
    this.#mode = mode
  }

  get name(): string {
    return this.#name
  }

  get mode(): LockMode {
    return this.#mode
  }

  static {
    // As in WebIDL: attributes are enumerable, and the constructor takes no arguments.
    for (const attribute of ['name', 'mode']) Object.defineProperty(this.prototype, attribute, { enumerable: true })
    Object.defineProperty(this.prototype, Symbol.toStringTag, { value: 'Lock', configurable: true })
    Object.defineProperty(this, 'length', { value: 0 })
  }
}

export function createWebLock(name: string, mode: LockMode): WebLock {
  return new Lock(KEY, name, mode)
}
