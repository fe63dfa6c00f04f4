/** Numbers for the tickets of thieves, which sort ahead of all others. */
import { SlocketError } from '../../../errors.ts'
import { NUMBER_DIGITS } from '../ticket-name.ts'

/**
 * Thieves have numbers below this one, which is the first tenth of a second after boot: no other ticket is from before that. So a lock
 * can be stolen this often, each time from a thief; with thousands of thefts a second, for hours.
 */
export const THIEVES_END = 100_000_000n

/** The last number that was assigned here. Numbers go down, so that none is assigned twice, in any queue; when they are used up, they begin again from above. */
let lastThief = THIEVES_END

/**
 * Returns the number of a thief's ticket: lower than that of the first in the queue.
 *
 * @throws ERR_SLOCKET_RESOURCES if the first has the lowest possible number: until it has left, no ticket comes before it.
 */
export function thiefNumber(first: string | undefined): string {
  if (lastThief === 0n) lastThief = THIEVES_END
  const lowest = first === undefined || BigInt(first) > lastThief ? lastThief : BigInt(first)
  if (lowest > 0n) {
    lastThief = lowest - 1n
    return String(lastThief).padStart(NUMBER_DIGITS, '0')
  }
  throw new SlocketError('ERR_SLOCKET_RESOURCES', 'there is no place in front of the thieves that are in the queue')
}
