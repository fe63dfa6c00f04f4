/**
 * The tickets of this thread that sleep until they are notified. One timer for all of them keeps the process alive, and makes each look
 * once a second: a releaser may be stopped between its two steps, and then a wake-up may be lost.
 */
import { clearInterval, setInterval } from '../../real-time.ts'

/** The time between two looks of a ticket that waits for a notification, in ms. */
const LOOK_MS = 1000

const sleepers = new Map<object, () => void>()
/** After the last ticket has woken, the timer runs on for a while without keeping the process alive: a timer for each sleep would cost more. */
let timer: NodeJS.Timeout | undefined

/** @param look called once a second until {@link removeSleeper}. */
export function addSleeper(ticket: object, look: () => void): void {
  if (timer === undefined) timer = setInterval(lookAll, LOOK_MS)
  else if (sleepers.size === 0) timer.ref()
  sleepers.set(ticket, look)
}

export function removeSleeper(ticket: object): void {
  if (sleepers.delete(ticket) && sleepers.size === 0) timer?.unref()
}

function lookAll(): void {
  if (sleepers.size === 0) {
    clearInterval(timer)
    timer = undefined
    return
  }
  for (const look of sleepers.values()) look()
}
