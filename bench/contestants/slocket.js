// slocket as users get it: compiled, from dist/.
import slocket from '../../dist/index.mjs'

export function open(path, claim) {
  return { acquire: () => slocket(path, claim), release: (lock) => lock.release() }
}
