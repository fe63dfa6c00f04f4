/**
 * Removes the guards, and the directory, if nobody else uses the lock. A process that tidies joins the queue for that: so requests that come meanwhile stand behind it,
 * and what a guard keeps is not lost.
 */
import { EXCLUSIVE } from '../../../core/claim.ts'
import { debug } from '../../../debug.ts'
import { closeQuietly } from './held-file.ts'
import { makeTicket } from './join.ts'
import type { QueueState } from './state.ts'

/** The maximum number of looks whether nobody else is there, before it tidies, 1 ms apart. */
const MOST_LOOKS = 30

/** Never throws: what is left is for the next user of the lock to remove. */
export function tidy(state: QueueState): void {
  try {
    tidyOnce(state)
  } catch (error) {
    debug('%s: cannot be tidied: %s', state.directory.path, error)
  }
}

function tidyOnce(state: QueueState): void {
  const { directory, notifier, presence, view } = state
  const { bell } = presence
  view.list()
  if (bell === undefined || view.last() !== undefined) return
  const made = makeTicket(state, { claim: EXCLUSIVE, member: bell.member, kind: 'tidying' })
  if (made === undefined) return
  let isUnused = false
  try {
    isUnused = isAlone(state, made.name) && directory.guards.remove(view.names)
    if (isUnused) directory.removeMarks(view.names)
    if (isUnused) directory.dropName()
  } finally {
    closeQuietly(made.descriptor)
    notifier.onDeparture({ name: made.name, claim: EXCLUSIVE, hasHeld: false })
  }
  if (isUnused) directory.removeIfEmpty()
}

/**
 * Whether nobody else is in the queue. Of two that tidy at the same time, the one ahead leaves it to the one behind; so that one waits for a moment.
 */
function isAlone({ view }: QueueState, ticket: string): boolean {
  for (let looks = 0; looks < MOST_LOOKS; looks += 1) {
    view.list()
    const all = view.allWithTidying()
    const ahead = all.filter(({ name }) => name < ticket)
    if (ahead.length === 0) return all.length === 1
    if (!ahead.every(({ joining }) => joining)) return false
    // The process may be about to exit: it has no other turn.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1)
  }
  return false
}
