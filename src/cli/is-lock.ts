import { isTicketName, MEMBERS } from '../engines/local/ticket-name.ts'
import { namesIn } from './quietly.ts'

/** Whether the directory looks like a lock, or the root of named locks: it has members, or tickets. */
export function isLock(directory: string): boolean {
  const names = namesIn(directory)
  return names.some((name) => name === MEMBERS || isTicketName(name))
}
