/**
 * How the package loads a file of its own by the first call that needs it. scripts/build-dist.js says which files, and writes the calls
 * of these functions; the sources import modules as ever.
 */
import { SlocketError, systemCode } from './errors.ts'

/** Identifies the sources that the package was built of. */
declare const BUILD: string

/** Loads a file by the first call of what it returns. If that fails, the next call tries again. */
export function later<T>(load: () => T): () => T {
  let file: T | undefined
  return () => (file ??= loadNow(load))
}

/** @throws ERR_SLOCKET_RESOURCES if the process is out of descriptors or memory; ERR_SLOCKET_SYSTEM. */
function loadNow<T>(load: () => T): T {
  try {
    return load()
  } catch (error) {
    const code = systemCode(error)
    const isShort = code === 'EMFILE' || code === 'ENFILE' || code === 'ENOMEM'
    throw new SlocketError(
      isShort ? 'ERR_SLOCKET_RESOURCES' : 'ERR_SLOCKET_SYSTEM',
      `cannot load a file of the slocket package, which the first call needs: ${String(error)}`,
      { cause: error },
    )
  }
}

/**
 * Called by each file of the package, with its own build. A long-lived process may load it after another version was installed at the same
 * place; the parts of two versions must not work together.
 *
 * @throws ERR_SLOCKET_SYSTEM
 */
export function checkBuild(build: string): void {
  if (build === BUILD) return
  throw new SlocketError(
    'ERR_SLOCKET_SYSTEM',
    'the slocket package was replaced after this process had loaded a part of it; restart the process',
  )
}
