// Compiled only: `using` and `await using`, of TypeScript 5.2 and later.
import slocket from 'slocket'

export async function work(): Promise<boolean> {
  await using lock = await slocket('path')
  using blocking = slocket.sync('other')
  return lock.held && blocking.held
}
