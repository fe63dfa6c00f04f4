/** `LockManager`: the interface of the Web Locks specification, as WebIDL requires it of a class. client.ts does the work. */
import type { Engine } from '../requests/engine.ts'
import { ACCESSES, isAccess } from '../requests/lock-access.ts'
import type { LockAccess } from '../requests/lock-access.ts'
import { checkKnownOptions } from '../requests/known-options.ts'
import { parseSliceMs } from '../options.ts'
import type { AskedLock } from './arguments.ts'
import { convertArguments } from './arguments.ts'
import type { Client } from './client.ts'
import type { LockManager, LockManagerOptions, LockManagerSnapshot } from './types.ts'

/** The class of lock managers. */
export interface LockManagerConstructor {
  /** The methods of all lock managers. */
  readonly prototype: LockManager
  /**
   * Creates a manager of the locks in a directory or an engine. The first request or query opens the directory, and creates it if it is missing.
   *
   * @throws TypeError for wrong or unknown options; ERR_SLOCKET_NO_PARENT if `root` is relative and the working directory is gone.
   */
  new (options?: LockManagerOptions): LockManager
}

/** The functions that a manager needs. */
export interface Work {
  /** @throws DOMException (SecurityError) if `open` says that locks cannot live there. */
  readonly clientIn: (open: () => Engine) => Client
  /** Returns the engine of a directory, always the same for the same directory and access. Undefined means the default directory. */
  readonly openRoot: (root: string | undefined, access: LockAccess | undefined) => Engine
  /** Returns the absolute path of a root. */
  readonly resolvePath: (root: string) => string
}

/** Creates the class. */
export function createLockManager({ clientIn, openRoot, resolvePath }: Work): LockManagerConstructor {
  let isOne: (value: unknown) => boolean

  class LockManagerClass {
    readonly #open: () => Client
    readonly #sliceMs: number
    #client: Client | undefined

    constructor(options: LockManagerOptions = {}) {
      const { root, access, engine, slice = 0 } = checkOptions(options)
      this.#sliceMs = slice
      // Resolved now, not at the first request: the working directory may have changed by then.
      const directory = root === undefined ? undefined : resolvePath(root)
      this.#open = () => clientIn(() => engine ?? openRoot(directory, access))
    }

    request(...given: readonly unknown[]): Promise<unknown> {
      let asked: AskedLock
      try {
        checkBrand(this)
        asked = convertArguments(given)
      } catch (error) {
        return Promise.reject(error)
      }
      return this.#do((client) => client.request(asked, this.#sliceMs))
    }

    query(): Promise<LockManagerSnapshot> {
      try {
        checkBrand(this)
      } catch (error) {
        return Promise.reject(error)
      }
      return this.#do((client) => client.query())
    }

    #do<T>(act: (client: Client) => Promise<T>): Promise<T> {
      try {
        return act((this.#client ??= this.#open()))
      } catch (error) {
        return Promise.reject(error)
      }
    }

    static {
      isOne = (value) => typeof value === 'object' && value !== null && #open in value
      const { prototype } = this
      Object.defineProperty(this, 'name', { value: 'LockManager' })
      Object.defineProperty(Reflect.get(prototype, 'request'), 'length', { value: 2 })
      for (const method of ['request', 'query']) Object.defineProperty(prototype, method, { enumerable: true })
      Object.defineProperty(prototype, Symbol.toStringTag, { value: 'LockManager', configurable: true })
    }
  }
  function checkBrand(value: unknown): void {
    if (!isOne(value)) throw new TypeError('Illegal invocation: not a LockManager')
  }

  return LockManagerClass
}

const KNOWN: ReadonlySet<string> = new Set<keyof LockManagerOptions>(['root', 'access', 'engine', 'slice'])
const ROOT = "the directory of its locks is the option 'root'"
const HINTS = { path: ROOT, directory: ROOT, dir: ROOT, name: ROOT, folder: ROOT, cwd: ROOT, prefix: ROOT }

function checkOptions(options: unknown): LockManagerOptions {
  if (typeof options !== 'object' || options === null) throw new TypeError('options must be an object')
  checkKnownOptions(options, KNOWN, 'LockManager', HINTS)
  const { root, access, engine, slice } = options as Record<string, unknown>
  if (slice !== undefined) parseSliceMs(slice)
  if (root !== undefined && engine !== undefined)
    throw new TypeError('options.root and options.engine cannot go together')
  if (root !== undefined && (typeof root !== 'string' || root === '' || root.includes('\0'))) {
    throw new TypeError('options.root must be a path')
  }
  if (access !== undefined && !isAccess(access)) throw new TypeError(`options.access must be ${ACCESSES}`)
  if (access !== undefined && root === undefined) throw new TypeError('options.access needs options.root')
  if (engine !== undefined && (typeof engine !== 'object' || engine === null || !('acquire' in engine))) {
    throw new TypeError('options.engine must be an engine')
  }
  return options
}
