/** Numbers for the tickets of thieves, which sort ahead of all others. */
import { SlocketError } from '../../../errors.ts'
import { NUMBER_DIGITS } from '../ticket-name.ts'

/**
 * Thieves have numbers below this one, which is the first tenth of a second after boot: no other ticket is from before that. So a lock
 * can be stolen this often, each time from a thief; with thousands of thefts a second, for hours.
 */
export const THIEVES_END = 100_000_000n

/** The last one that was given out here. They go down, so that none comes again, in no queue; once they have come to an end, again from above. */
let lastThief = THIEVES_END

/**
 * The number of a thief's ticket: lower than that of the first in the queue.
 *
 * @throws ERR_SLOCKET_RESOURCES where the first has the lowest one that there is: until that one has left, nobody comes before it.
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
