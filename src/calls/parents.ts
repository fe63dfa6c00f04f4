/** The option `parents`, for each call that acquires. */
import type { Asked } from '../options.ts'
import type { Engine } from '../requests/engine.ts'

/** Creates the directories above the lock, if the call asks for it. A call whose signal has aborted acquires nothing, so it creates nothing. */
export function makeParentsOf(path: string, engine: Engine, { parents, signal }: Asked): void {
  if (parents && signal?.aborted !== true) engine.makeParents?.(path)
}
