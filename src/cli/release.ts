/** `slocket release`: releases what `slocket hold` has acquired. */
import path from 'node:path'
import { takeAway } from '../engines/local/break.ts'
import { QueueDirectory } from '../engines/local/directory.ts'
import { findHolders } from '../engines/local/inspect.ts'
import { OS_ERROR } from './exit-status.ts'
import { parseRelease } from './hold-options.ts'
import { ticketsKeptFor } from './kept-tickets.ts'
import { say } from './output.ts'

/** Returns the exit status: 1 if the script does not hold the lock. */
export async function release(parameters: readonly string[]): Promise<number> {
  const { lock, script } = parseRelease(parameters)
  const directory = new QueueDirectory(path.resolve(lock))
  const kept = new Set(ticketsKeptFor(lock, script))
  const names =
    kept.size === 0 ? [] : (await findHolders(directory)).map(({ name }) => name).filter((name) => kept.has(name))
  if (names.length === 0) {
    say(`process ${script.pid} doesn't hold '${lock}'; to name another process, use --pid PID`)
    return 1
  }
  // The names of tickets are never reused. The keeper is notified, sees that its ticket is gone, and ends.
  await takeAway(directory, names)
  if (!names.some((name) => directory.has(name))) return 0
  say(`'${lock}' cannot be released: its directory belongs to another user, or is read-only`)
  return OS_ERROR
}
