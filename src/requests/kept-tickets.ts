/**
 * All tickets of this thread that are kept for the rest of a turn of the event loop though nobody holds by them: see slice.ts.
 */
import type { Group } from './group.ts'
import { setImmediate } from '../real-time.ts'

const keepers = new Set<Group>()
/** Whether the end of this turn is already awaited. */
let isEndAwaited = false

/** Withdraws the ticket of `keeper` at the end of this turn, unless `keeper` is forgotten before that. */
export function keepUntilTurnEnds(keeper: Group): void {
  keepers.add(keeper)
  if (isEndAwaited) return
  isEndAwaited = true
  setImmediate(() => {
    isEndAwaited = false
    withdrawAllKept()
  })
}

export function forgetKept(keeper: Group): void {
  keepers.delete(keeper)
}

/** Withdraws all of them now. Must be called before this thread blocks on a lock: the end of its turn would never come. */
export function withdrawAllKept(): void {
  for (const keeper of keepers) keeper.withdrawKept()
}
