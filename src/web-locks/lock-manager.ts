/** `LockManager`: the interface of the Web Locks specification, as WebIDL demands it of a class. */
import type { Engine } from '../contract/engine.ts'
import { convertArguments } from './arguments.ts'
import type { Context } from './context.ts'
import { contextOver } from './context.ts'
import type { LockManager, LockManagerOptions } from './types.ts'
import { toWebError } from './web-error.ts'

/** Makes managers of locks. */
export interface LockManagerConstructor {
  readonly prototype: LockManager
  /** @throws TypeError for wrong options. The directory is looked at, and made, by the first request or query. */
  new (options?: LockManagerOptions): LockManager
}

/**
 * Makes the class over whatever engine keeps named locks in a directory.
 *
 * @param openRoot gives the engine of a directory, one and the same for one and the same directory; undefined: the default one.
 */
export function createLockManager(openRoot: (root: string | undefined) => Engine): LockManagerConstructor {
  class LockManagerClass {
    readonly #open: () => Context
    #context: Context | undefined

    constructor(options: LockManagerOptions = {}) {
      const { root, engine } = checkOptions(options)
      this.#open = () => contextOver(engine ?? openRoot(root))
    }

    request(...given: readonly unknown[]): Promise<unknown> {
      try {
        // Throws for whatever is no LockManager.
        const open = this.#open
        const asked = convertArguments(given)
        return (this.#context ??= openContext(open)).request(asked)
      } catch (error) {
        return Promise.reject(error)
      }
    }

    query(): Promise<unknown> {
      try {
        const open = this.#open
        return (this.#context ??= openContext(open)).query()
      } catch (error) {
        return Promise.reject(error)
      }
    }

    static {
      const { prototype } = this
      Object.defineProperty(this, 'name', { value: 'LockManager' })
      Object.defineProperty(Reflect.get(prototype, 'request'), 'length', { value: 2 })
      for (const method of ['request', 'query']) Object.defineProperty(prototype, method, { enumerable: true })
      Object.defineProperty(prototype, Symbol.toStringTag, { value: 'LockManager', configurable: true })
    }
  }
  return LockManagerClass as unknown as LockManagerConstructor
}

function openContext(open: () => Context): Context {
  try {
    return open()
  } catch (error) {
    throw toWebError(error)
  }
}

function checkOptions(options: unknown): LockManagerOptions {
  if (typeof options !== 'object' || options === null) throw new TypeError('options must be an object')
  const { root, engine } = options as Record<string, unknown>
  if (root !== undefined && engine !== undefined)
    throw new TypeError('options.root and options.engine cannot go together')
  if (root !== undefined && (typeof root !== 'string' || root === '' || root.includes('\0'))) {
    throw new TypeError('options.root must be a path')
  }
  if (engine !== undefined && (typeof engine !== 'object' || engine === null || !('acquire' in engine))) {
    throw new TypeError('options.engine must be an engine')
  }
  return options
}
