/**
 * `LockManager`: the interface of the Web Locks specification, as WebIDL demands it of a class. A light shell: what does the work is
 * loaded by the first call, and the calls until then wait for it, in their order.
 */
import { AsyncResource } from 'node:async_hooks'
import type { Engine } from '../requests/engine.ts'
import { ACCESSES, isAccess } from '../requests/lock-access.ts'
import type { LockAccess } from '../requests/lock-access.ts'
import { checkKnownOptions } from '../requests/known-options.ts'
import { parseSliceMs } from '../options.ts'
import type { AskedLock } from './arguments.ts'
import { convertArguments } from './arguments.ts'
import type { Context } from './context.ts'
import type { LockManager, LockManagerOptions, LockManagerSnapshot } from './types.ts'

/** The class of lock managers. */
export interface LockManagerConstructor {
  /** The methods of all lock managers. */
  readonly prototype: LockManager
  /**
   * Makes a manager of the locks in a directory or an engine. The first request or query opens the directory, and makes it if it is missing.
   *
   * @throws TypeError for wrong or unknown options; ERR_SLOCKET_NO_PARENT if `root` is relative and the working directory is gone.
   */
  new (options?: LockManagerOptions): LockManager
}

/** What does the work, once it is loaded. */
export interface Work {
  /** @throws DOMException (SecurityError) where `open` says that locks cannot live there. */
  contextIn(open: () => Engine): Context
  /** Gives the engine of a directory, one and the same for one and the same directory; undefined: the default one. */
  openRoot(root: string | undefined, access: LockAccess | undefined): Engine
}

/**
 * @param load loads what does the work.
 * @param resolvePath gives the absolute path of a root.
 */
export function createLockManager(
  load: () => Promise<Work>,
  resolvePath: (root: string) => string,
): LockManagerConstructor {
  let work: Work | undefined
  let waiting: ((failure?: unknown) => void)[] = []

  /** Runs `job` when what does the work is there, after all that came before. */
  function whenLoaded(job: (loaded: Work) => void, onFailure: (error: unknown) => void): void {
    // In the asynchronous context of the caller.
    waiting.push(AsyncResource.bind((failure?: unknown) => (work === undefined ? onFailure(failure) : job(work))))
    if (waiting.length > 1) return
    const runAll = (failure?: unknown): void => {
      const jobs = waiting
      waiting = []
      for (const run of jobs) run(failure)
    }
    load().then((loaded) => {
      // At once, so that nobody who comes now gets in between.
      work = loaded
      return runAll()
    }, runAll)
  }

  let isOne: (value: unknown) => boolean

  class LockManagerClass {
    readonly #open: (loaded: Work) => Context
    readonly #sliceMs: number
    #context: Context | undefined

    constructor(options: LockManagerOptions = {}) {
      const { root, access, engine, slice = 0 } = checkOptions(options)
      this.#sliceMs = slice
      // Now, not at the first request: the working directory may have changed by then.
      const directory = root === undefined ? undefined : resolvePath(root)
      this.#open = (loaded) => loaded.contextIn(() => engine ?? loaded.openRoot(directory, access))
    }

    request(...given: readonly unknown[]): Promise<unknown> {
      let asked: AskedLock
      try {
        checkBrand(this)
        asked = convertArguments(given)
      } catch (error) {
        return Promise.reject(error)
      }
      return this.#do((context) => context.request(asked, this.#sliceMs))
    }

    query(): Promise<LockManagerSnapshot> {
      try {
        checkBrand(this)
      } catch (error) {
        return Promise.reject(error)
      }
      return this.#do((context) => context.query())
    }

    #do<T>(act: (context: Context) => Promise<T>): Promise<T> {
      if (work !== undefined) return this.#doNow(work, act)
      return new Promise((resolve, reject) => {
        whenLoaded((loaded) => resolve(this.#doNow(loaded, act)), reject)
      })
    }

    #doNow<T>(loaded: Work, act: (context: Context) => Promise<T>): Promise<T> {
      try {
        return act((this.#context ??= this.#open(loaded)))
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
