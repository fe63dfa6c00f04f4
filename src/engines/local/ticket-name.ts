/**
 * The name of a ticket has everything that others must know without asking:
 *
 *     2-0000000849714949590-x-4711-k3j9d8f7a6s5-9b4128cb
 *     | |                   | |    |            kernel: the first eight digits of its boot id
 *     | |                   | |    member id: which presence of which process; the socket in `.members/`
 *     | |                   | process id, for people
 *     | |                   claim: x exclusive, s shared, pN one of N permits, pN.K K of N permits (K > 1)
 *     | number: sorts in queue order, see kernel.ts
 *     format version
 *
 * A version from before `take` (none was released) treats pN.K as a ticket of another format version, and refuses the lock.
 *
 * Names sort in queue order as plain text, and never change: what a listing must not miss is there from the join to the
 * release. A mark is a second name beside it. A listing may miss a mark without harm.
 *
 *     …-r    it is dead, and that need not be reported any more; but the user who found it dead could not remove it
 *     …-d    it held exclusively, and shares from now on, until it leaves: its claim counts as shared
 */
import type { Claim } from '../../core/claim.ts'
import { EXCLUSIVE, formatPermits, parsePermits, PERMITS_PATTERN, SHARED } from '../../core/claim.ts'

export interface TicketName {
  /** Number and member: never reused. */
  readonly id: string
  readonly number: string
  readonly claim: Claim
  readonly pid: number
  readonly member: string
  readonly kernel: string
}

/** The directory, in that of the lock, in which members have their sockets. */
export const MEMBERS = '.members'

/** The digits of a number. 19 are enough for 285 years of nanoseconds. */
export const NUMBER_DIGITS = 19
/** Numbers from here on are not assigned. Only damage or malice leads to them. */
export const NUMBERS_END: string = '9'.padEnd(NUMBER_DIGITS, '0')

const NAME = new RegExp(`^2-[0-8]\\d{18}-(?:x|s|${PERMITS_PATTERN})-\\d{1,10}-[a-z0-9]{12}-[0-9a-f]{8}$`)
/** The lengths of the parts that NAME says, and where they are. */
const NUMBER_AT = '2-'.length
const CLAIM_AT = NUMBER_AT + NUMBER_DIGITS + 1
const MEMBER_LENGTH = 12
const KERNEL_LENGTH = 8

/** Whether the name is that of a ticket of any format version, this or a later one. */
export function looksLikeTicket(name: string): boolean {
  return /^\d+-\d{19}-/.test(name)
}

export function formatTicketName(ticket: TicketName): string {
  const { number, claim, pid, member, kernel } = ticket
  return `2-${number}-${formatClaim(claim)}-${pid}-${member}-${kernel}`
}

/** The mark of a dead ticket that has been reported to a holder, or has never held. */
export const REPORTED = '-r'

/** The mark of a ticket whose holder was downgraded. */
export const DOWNGRADED = '-d'

/** Returns the ticket that `name` is a mark of. Undefined if `name` isn't a mark. */
export function markedBy(name: string): string | undefined {
  return name.endsWith(REPORTED) || name.endsWith(DOWNGRADED) ? name.slice(0, -REPORTED.length) : undefined
}

export function ticketId(number: string, member: string): string {
  return `${number}-${member}`
}

/** Whether {@link parseTicketName} returns something. */
export function isTicketName(name: string): boolean {
  return NAME.test(name) && (name[CLAIM_AT] !== 'p' || parseTicketName(name) !== undefined)
}

/** Undefined if `name` isn't that of a ticket of this format version. */
export function parseTicketName(name: string): TicketName | undefined {
  // Each listing has new names. The array of `exec`, and taking it apart, costs more than all the rest.
  if (!NAME.test(name)) return undefined
  const kernelAt = name.length - KERNEL_LENGTH
  const memberAt = kernelAt - 1 - MEMBER_LENGTH
  const claimEnd = name.indexOf('-', CLAIM_AT)
  const claim = parseClaim(name.slice(CLAIM_AT, claimEnd))
  if (claim === undefined) return undefined
  const number = name.slice(NUMBER_AT, CLAIM_AT - 1)
  const member = name.slice(memberAt, kernelAt - 1)
  const pid = Number(name.slice(claimEnd + 1, memberAt - 1))
  return { id: ticketId(number, member), number, claim, pid, member, kernel: name.slice(kernelAt) }
}

function formatClaim(claim: Claim): string {
  switch (claim.kind) {
    case 'exclusive':
      return 'x'
    case 'shared':
      return 's'
    case 'permit':
      return formatPermits(claim)
  }
}

function parseClaim(text: string): Claim | undefined {
  if (text === 'x') return EXCLUSIVE
  if (text === 's') return SHARED
  return parsePermits(text)
}
