/**
 * When a machine with macOS or a BSD booted: the start time of its first process, which the kernel recorded then. Unlike `kern.boottime`, macOS doesn't
 * change it when the wall clock is set. It is a whole number of seconds, the same in all processes.
 */
import { SlocketError } from '../../../errors.ts'
import { outputOf } from './system-program.ts'

const MS = 1_000_000n
/** What ps(1) prints as `lstart`: asctime(3). */
const START = /^[A-Z][a-z]{2} ([A-Z][a-z]{2}) +(\d{1,2}) (\d\d:\d\d:\d\d) (\d{4})$/

/**
 * The wall clock at that moment, as it was set then, in ns since the epoch.
 *
 * @throws ERR_SLOCKET_UNSUPPORTED_PLATFORM if the system doesn't show it: if processes used different moments, their tokens would not grow.
 */
export function firstProcessStartNs(): bigint {
  const [, month, day, time, year] = START.exec(outputOf('/bin/ps', ['-o', 'lstart=', '-p', '1'])?.trim() ?? '') ?? []
  const ms = Date.parse(`${day} ${month} ${year} ${time} UTC`)
  if (!Number.isNaN(ms)) return BigInt(ms) * MS
  throw new SlocketError(
    'ERR_SLOCKET_UNSUPPORTED_PLATFORM',
    'local locks need to know when this machine booted, and /bin/ps does not report when process 1 started',
  )
}
