/**
 * What identifies this kernel, and the clock that all its processes share.
 *
 * Numbers and tokens are read from CLOCK_MONOTONIC as the initial time namespace has it: a namespace of its own may shift
 * it, by what /proc/self/timens_offsets says (time_namespaces(7)).
 *
 * A token adds the moment when this kernel booted, so that it goes on growing after the next boot. That moment must be
 * the same for all processes of one boot, whatever is done to the wall clock: `btime` in /proc/stat is not (it moved
 * by an hour when the clock was set back by an hour; measured on Linux 6.18), nor is now minus uptime. The kernel's one
 * inode for anonymous files (epoll, eventfd) is: made once at boot, shared by all containers, its times stay.
 * See docs/decisions/0003-tokens.md.
 */
import fs from 'node:fs'
import { firstProcessStartNs } from './boot-time.ts'
import { isBsd } from './bsd.ts'
import type { Clock } from './clock.ts'
import { readClock } from './clock.ts'
import { readNames, readText } from './proc.ts'
import { NUMBER_DIGITS } from '../ticket-name.ts'
import { wallNowMs, monotonicNowNs } from '../../../real-time.ts'

const MS = 1_000_000n
/** Anonymous inodes carry 1970 if the machine has no clock that runs while it is off. */
const EARLIEST_PLAUSIBLE_BOOT_NS = 1_577_836_800_000n * MS

/** Without /proc, so many descriptors are looked at. Those of the event loop are among the first that a process opens. */
const MOST_DESCRIPTORS = 4096
/** S_IFMT of inode(7). */
const FILE_TYPE = 0o170000n

interface Kernel {
  /** First eight digits of the boot id. */
  readonly id: string
  readonly clock: Clock
  /** When this kernel booted, as it saw it then: wall clock, ns since the epoch. */
  readonly bootNs: bigint
  /** What a token adds to the clock of this process. */
  readonly tokenNs: bigint
}

/** The id of a kernel that does not report its own. */
export const UNKNOWN_KERNEL = '00000000'

let kernel: Kernel | undefined
let lastToken = 0n

function thisKernel(): Kernel {
  kernel ??=
    process.platform === 'win32'
      ? WINDOWS
      : kernelOf(readKernelId(), readClock(), isBsd ? firstProcessStartNs() : readBootNs())
  return kernel
}

function kernelOf(id: string, clock: Clock, bootNs: bigint): Kernel {
  return { id, clock, bootNs, tokenNs: bootNs - clock.aheadNs + clock.marginNs }
}

/** `process.hrtime` is the clock of the machine there (QueryPerformanceCounter). Its guards keep what tokens begin with: ../windows/guard.ts. */
const WINDOWS: Kernel = kernelOf(UNKNOWN_KERNEL, { aheadNs: 0n, marginNs: 0n }, 0n)

/** Eight hexadecimal digits; {@link UNKNOWN_KERNEL} if the system does not say (then only sockets show a reboot). */
export function kernelId(): string {
  return (kernel ?? thisKernel()).id
}

/** The clock that all processes of this kernel share, in ns. */
export function sharedClockNs(): bigint {
  return toSharedNs(monotonicNowNs())
}

/** A moment of this process's clock, by that clock. */
export function toSharedNs(ns: bigint): bigint {
  return ns - thisKernel().clock.aheadNs
}

/** The shared clock as the number of a ticket. */
export function clockNumber(): string {
  return String(monotonicNowNs() - (kernel ?? thisKernel()).clock.aheadNs).padStart(NUMBER_DIGITS, '0')
}

/** The number after `number`. */
export function nextNumber(number: string): string {
  return String(BigInt(number) + 1n).padStart(NUMBER_DIGITS, '0')
}

/** When a ticket with `number` was taken: wall clock, ms since the epoch. */
export function wallClockMs(number: string): number {
  return wallNowMs() - Number((sharedClockNs() - BigInt(number)) / MS)
}

/** How long ago a ticket with `number` was taken, in ms. */
export function ageMs(number: string): number {
  return Number((sharedClockNs() - BigInt(number)) / MS)
}

/** A fencing token for a grant that is made now: larger than that of every earlier holder. */
export function nextToken(): bigint {
  const { bootNs, clock, tokenNs } = kernel ?? thisKernel()
  const token = monotonicNowNs() + tokenNs
  lastToken = token > lastToken ? token : lastToken + 1n
  // Where the kernel's clock is known to within a margin only, the token is the latest that it may be now, and nobody hears of it
  // before that has come for certain: so tokens grow all the same.
  if (clock.marginNs > 0n) while (bootNs + sharedClockNs() < lastToken);
  return lastToken
}

function readKernelId(): string {
  const text = readText('/proc/sys/kernel/random/boot_id')
  return text !== undefined && /^[0-9a-f]{8}-/.test(text) ? text.slice(0, 8) : UNKNOWN_KERNEL
}

function readBootNs(): bigint {
  const bootNs = anonymousInodeNs()
  if (bootNs !== undefined && bootNs > EARLIEST_PLAUSIBLE_BOOT_NS) return bootNs
  const match = /^btime (\d+)$/m.exec(readText('/proc/stat') ?? '')
  if (match !== null) return BigInt(match[1]!) * 1_000_000_000n
  return BigInt(wallNowMs()) * MS - monotonicNowNs()
}

/**
 * When the kernel made its one inode for anonymous files, in whole ms, since Deno returns no more. Undefined if no
 * descriptor of this process has it.
 */
function anonymousInodeNs(): bigint | undefined {
  const descriptors = readNames('/proc/self/fd')
  if (descriptors === undefined) return sharedAnonymousInodeNs()
  for (const descriptor of descriptors) {
    try {
      const path = `/proc/self/fd/${descriptor}`
      if (/^anon_inode:\[(eventpoll|eventfd)\]$/.test(fs.readlinkSync(path))) {
        return fs.statSync(path, { bigint: true }).mtimeMs * MS
      }
    } catch {
      // Closed meanwhile: look at the next.
    }
  }
  return undefined
}

/** The same without /proc: the inode without a file type (anon_inode_getattr) that two descriptors have. libuv opens an epoll and an eventfd for each event loop. */
function sharedAnonymousInodeNs(): bigint | undefined {
  const seen = new Set<bigint>()
  for (let descriptor = 0; descriptor < MOST_DESCRIPTORS; descriptor += 1) {
    try {
      const { mode, ino, mtimeMs } = fs.fstatSync(descriptor, { bigint: true })
      if ((mode & FILE_TYPE) !== 0n) continue
      if (seen.has(ino)) return mtimeMs * MS
      seen.add(ino)
    } catch {
      // Not open.
    }
  }
  return undefined
}
