/**
 * All tickets of this thread that are kept for the rest of a turn of the event loop though nobody holds by them: see slice.ts.
 */
import type { Group } from './group.ts'
import { setImmediate } from '../real-time.ts'

/** The groups that have kept their tickets in this turn. Some of them may have resumed, or left, since then. */
const keepers = new Set<Pick<Group, 'withdrawKept'>>()

/** What withdraws the kept tickets of each copy of this module in this thread: several versions of the package may be installed. */
const ALL_KEPT = Symbol.for('slocket.allKept')

/** At the end of this turn, withdraws the ticket of `keeper` if it is kept then. */
export function keepUntilTurnEnds(keeper: Pick<Group, 'withdrawKept'>): void {
  if (keepers.size === 0) {
    setImmediate(endTurn)
    allCopies().add(withdrawOwn)
  }
  keepers.add(keeper)
}

function endTurn(): void {
  // First: when a ticket leaves, others may be kept, until the end of the next turn.
  const ended = [...keepers]
  keepers.clear()
  for (const keeper of ended) keeper.withdrawKept()
}

/** Withdraws all of them now. Must be called before this thread blocks on a lock: the end of its turn would never come. */
export function withdrawAllKept(): void {
  for (const withdraw of allCopies()) withdraw()
}

function withdrawOwn(): void {
  for (const keeper of keepers) keeper.withdrawKept()
}

function allCopies(): Set<() => void> {
  const shared = process as { [ALL_KEPT]?: Set<() => void> }
  if (shared[ALL_KEPT] === undefined) Object.defineProperty(shared, ALL_KEPT, { value: new Set() })
  return shared[ALL_KEPT]!
}
