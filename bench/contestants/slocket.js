// slocket as users get it: compiled, from dist/.
import slocket from '../../dist/index.js'

export function open(path, claim) {
  return { acquire: () => slocket(path, claim), release: (lock) => lock.release() }
}
