// slocket with time slices of 1 ms: the order is strict only between slices.
import slocket from '../../dist/index.mjs'

export function open(path, claim) {
  const options = { ...claim, slice: 1 }
  return { acquire: () => slocket(path, options), release: (lock) => lock.release() }
}
