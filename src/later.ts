/**
 * Loads files of the package at the first call that needs them. scripts/build-dist.js says which files, and writes the calls
 * of these functions; the sources use ordinary imports.
 */
import { SlocketError, systemCode } from './errors.ts'

/** Identifies the sources that the package was built from. */
declare const BUILD: string

/** The exports of a file that is loaded later. It requires no other file of the package. */
interface LaterFile<T> {
  readonly build: string
  /** Returns the contents of the file. `core` has the exports of the file that was loaded first. */
  make(core: object): T
}

/**
 * Returns a function that returns the contents of a file. Its first call loads the file. If that fails, the next call tries again.
 *
 * @param load returns the exports of the file. In Jest they are undefined after the end of the tests. They are empty if a loader hook
 * takes a lock while Node loads that very file.
 * @param core returns the exports of core.cjs.
 */
export function later<T>(load: () => LaterFile<T> | Partial<LaterFile<T>> | undefined, core: () => object): () => T {
  let contents: T | undefined
  return () => {
    if (contents !== undefined) return contents
    const file = loadNow(load)
    // Loading may have called this function: the contents must exist only once.
    return (contents ??= file.make(core()))
  }
}

/** @throws ERR_SLOCKET_RESOURCES if the process is out of descriptors or memory; ERR_SLOCKET_SYSTEM. */
function loadNow<T>(load: () => Partial<LaterFile<T>> | undefined): LaterFile<T> {
  let file: Partial<LaterFile<T>> | undefined
  try {
    file = load()
  } catch (error) {
    throw cannotLoad(error)
  }
  // Reading a property that an unfinished module doesn't have yet makes Node emit a warning.
  if (file === undefined || !Object.hasOwn(file, 'make')) {
    throw new SlocketError(
      'ERR_SLOCKET_SYSTEM',
      'cannot load a file of the slocket package, which this call needs: it is still being loaded (does a loader hook take a lock?), ' +
        'or nothing is loaded any more (a call after the end of a test)',
    )
  }
  checkBuild(file.build)
  return file as LaterFile<T>
}

/** Node's message goes on with the files that required the missing one, one per line. Only the cause has those. */
function cannotLoad(error: unknown): SlocketError {
  const code = systemCode(error)
  const isShort = code === 'EMFILE' || code === 'ENFILE' || code === 'ENOMEM'
  return new SlocketError(
    isShort ? 'ERR_SLOCKET_RESOURCES' : 'ERR_SLOCKET_SYSTEM',
    `cannot load a file of the slocket package, which the first call needs: ${String(error).split('\n', 1)[0]}`,
    { cause: error },
  )
}

/**
 * Refuses a file of another build. A long-lived process may load one after another version was installed at the same
 * place; the parts of two versions must not work together.
 *
 * @throws ERR_SLOCKET_SYSTEM
 */
export function checkBuild(build: string | undefined): void {
  if (build === BUILD) return
  throw new SlocketError(
    'ERR_SLOCKET_SYSTEM',
    'the slocket package was replaced after this process had loaded a part of it; restart the process',
  )
}
