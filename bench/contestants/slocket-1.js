// slocket 1.0.5.
import slocket from 'slocket1'

export function open(path) {
  return { acquire: () => slocket(path), release: (lock) => lock.release() }
}
