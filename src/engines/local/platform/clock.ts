/**
 * How the clock of this process differs from CLOCK_MONOTONIC as the initial time namespace has it.
 *
 * Node's `process.hrtime` is that clock, except for the offset in /proc/self/timens_offsets. In Deno and Bun it starts with the process
 * (or thread), and they have nothing better; there, /proc/uptime is watched for the moment when its last digit changes,
 * which shows the difference to within a margin. (/proc/uptime also counts the time in which the machine was suspended:
 * after a suspension, the tokens of those runtimes are ahead of Node's by that time.)
 */
import { SlocketError } from '../../../errors.ts'
import { readText } from './proc.ts'
import { hasOwnClock } from './runtime.ts'
import { monotonicNowNs } from '../../../real-time.ts'

export interface Clock {
  /** By how much `process.hrtime` is ahead of the kernel's clock, at most. */
  readonly aheadNs: bigint
  /** By how much less than that it may be ahead. */
  readonly marginNs: bigint
}

const SECOND_NS = 1_000_000_000n
/** The last digit of /proc/uptime. */
const UPTIME_DIGIT_NS = 10_000_000n
/** A margin that is small enough. */
const SMALL_NS = 100_000n
/** How many changes of the digit to wait for, 10 ms each, for a margin that small: this process may be interrupted. */
const MOST_CHANGES = 5

/** @throws ERR_SLOCKET_UNSUPPORTED_PLATFORM if neither is available. */
export function readClock(): Clock {
  if (!hasOwnClock) return { aheadNs: namespaceOffsetNs('monotonic'), marginNs: 0n }
  const clock = compareWithUptime()
  if (clock !== undefined) return clock
  throw new SlocketError(
    'ERR_SLOCKET_UNSUPPORTED_PLATFORM',
    'local locks need the clock of the kernel, and /proc/uptime cannot be read: Deno needs Linux and --allow-all',
  )
}

/** For runtimes that cannot read the clock of the kernel. Undefined if there is no /proc/uptime. */
export function compareWithUptime(): Clock | undefined {
  let best: Clock | undefined
  for (let changes = 0; changes < MOST_CHANGES; changes += 1) {
    const clock = compareAtChange()
    if (clock === undefined) return undefined
    if (best === undefined || clock.marginNs < best.marginNs) best = clock
    if (best.marginNs <= SMALL_NS) break
  }
  return best
}

/**
 * Reads /proc/uptime until it changes. The kernel's clock stood exactly at the new reading at some moment from just
 * before the last look that showed the old one until just after the first look that showed the new one.
 */
function compareAtChange(): Clock | undefined {
  let earliest = monotonicNowNs()
  const first = readUptimeNs()
  if (first === undefined) return undefined
  // Bound: the reading changes every 10 ms.
  for (;;) {
    const before = monotonicNowNs()
    const uptime = readUptimeNs()
    const after = monotonicNowNs()
    if (uptime === undefined) return undefined
    if (uptime !== first) {
      const bootNs = uptime - namespaceOffsetNs('boottime')
      return { aheadNs: after - bootNs, marginNs: after - earliest }
    }
    earliest = before
  }
}

function readUptimeNs(): bigint | undefined {
  const match = /^(\d+)\.(\d\d) /.exec(readText('/proc/uptime') ?? '')
  return match === null ? undefined : BigInt(match[1]!) * SECOND_NS + BigInt(match[2]!) * UPTIME_DIGIT_NS
}

/** By how much the time namespace of this process is ahead of the initial one: time_namespaces(7). */
function namespaceOffsetNs(clock: 'monotonic' | 'boottime'): bigint {
  const offsets = readText('/proc/self/timens_offsets') ?? ''
  const match = new RegExp(`^${clock}\\s+(-?\\d+)\\s+(\\d+)$`, 'm').exec(offsets)
  return match === null ? 0n : BigInt(match[1]!) * SECOND_NS + BigInt(match[2]!)
}
