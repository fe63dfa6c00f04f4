/**
 * `slocket.break` on Windows. A file can't be taken from the process that has it open, so this asks the holder over its pipe to give up the lock. Until the holder has done so,
 * it holds: a holder whose event loop is blocked keeps the lock, and two never hold at the same time.
 */
import { SlocketError } from '../../../errors.ts'
import { builtInNet } from '../platform/built-in.ts'
import type { Breakable } from '../break.ts'
import { sleepFor } from '../sleep-for.ts'
import { parseTicketName } from '../ticket-name.ts'
import { monotonicNowMs } from '../../../real-time.ts'
import { formatGiveUp, pipeOf } from './bell.ts'
import type { WindowsDirectory } from './directory.ts'
import { findHolders } from './inspect.ts'
import type { OwnTicket } from './ticket.ts'

/** How long a holder has to give up, in ms. */
const GIVE_UP_MS = 5000
/** The longest pause between two checks whether it has given up, in ms. */
const SLOWEST_LOOK_MS = 50

/** @param own the tickets of this thread in the queue, by id. */
export function breakable(directory: WindowsDirectory, own: () => ReadonlyMap<string, OwnTicket>): Breakable {
  return {
    findHolders: () => findHolders(directory, own),
    has: (name) => directory.probe(name) === 'open',
    takeAway: (names) => takeAway(directory, names),
    failure: (left) =>
      new SlocketError(
        'ERR_SLOCKET_NOT_RELEASED',
        `${left} of the lock '${directory.path}' still have it after ${GIVE_UP_MS / 1000} s. On Windows a process gives a lock up by itself: one whose event ` +
          'loop is blocked, that is suspended, or that a command of `slocket run` still runs for, keeps it until it goes on or ends',
      ),
  }
}

async function takeAway(directory: WindowsDirectory, names: readonly string[]): Promise<void> {
  const untilMs = monotonicNowMs() + GIVE_UP_MS
  const ends = names.map(askOwner)
  let left = names
  for (
    let pauseMs = 1;
    left.length > 0 && monotonicNowMs() < untilMs;
    pauseMs = Math.min(2 * pauseMs, SLOWEST_LOOK_MS)
  ) {
    await sleepFor(pauseMs)
    left = left.filter((name) => directory.probe(name) === 'open')
  }
  for (const end of ends) end()
}

/** Asks the owner of a ticket to give it up. Returns a function that ends the connection. */
function askOwner(name: string): () => void {
  const { id, member } = parseTicketName(name)!
  const socket = builtInNet().connect({ path: pipeOf(member) })
  socket.on('error', () => {})
  socket.write(formatGiveUp(id), 'latin1')
  return () => void socket.destroy()
}
