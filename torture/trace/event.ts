/**
 * A trace: what one client (or the director) did, one JSON object a line, in the order in which it was done.
 *
 *  1. Times are nanoseconds of the monotonic clock as the kernel has it, which all processes of a machine share.
 *  2. What begins is written before it is begun, and what has ended is written after it has ended: what the checker takes for
 *     certain (who held, who stood in the queue) is never more than what was.
 *  3. Each line is one write, so it outlives the process that is killed after it.
 */

/** A claim as the checker counts: how many may stand beside, and who does not count. `permits:5/3` takes 3 of 5 permits. */
export type TracedClaim = 'exclusive' | 'shared' | `permits:${number}` | `permits:${number}/${number}`

/** The options that ask for a claim of permits. Undefined for another claim. */
export function permitsOf(claim: TracedClaim): { readonly permits: number; readonly take: number } | undefined {
  if (!claim.startsWith('permits:')) return undefined
  const [permits, take = 1] = claim.slice('permits:'.length).split('/').map(Number)
  return { permits: permits!, take }
}

/** A request, as the caller of the API sees it. Its name is the label of the lock, and begins with the lock's id. */
type RequestEvent =
  | {
      readonly kind: 'ask'
      readonly request: string
      readonly claim: TracedClaim
      /** False for a try. */
      readonly waits: boolean
      /** Its option `slice`, in ms. Missing: 0. */
      readonly slice?: number
      /** Engines in one process are clients of their own. */
      readonly engine: number
    }
  | { readonly kind: 'grant'; readonly request: string; readonly token: string; readonly recovered: boolean }
  | { readonly kind: 'downgrade' | 'release' | 'released' | 'refused' | 'lost'; readonly request: string }
  /** Cancelled, timed out, or short of what a nemesis has taken away. */
  | { readonly kind: 'rejected'; readonly request: string; readonly why: string }

/** A ticket, as the queue of the local engine sees it. */
type TicketEvent =
  | { readonly kind: 'enter'; readonly entry: number; readonly lock: string; readonly claim: TracedClaim }
  | { readonly kind: 'joined'; readonly entry: number; readonly ticket: string }
  /** It got no ticket. */
  | { readonly kind: 'turned away'; readonly entry: number }
  | { readonly kind: 'turn' | 'share' | 'shares' | 'leave' | 'left'; readonly ticket: string }

/** How a client fares. */
type ClientEvent =
  /** Its event loop goes round: one comes at least every so often. */
  | { readonly kind: 'beat' }
  /** It is about to end by its own doing; or a thread of it is about to be ended by it. */
  | { readonly kind: 'end'; readonly whom: string }
  /** Something that must never be. */
  | { readonly kind: 'blame'; readonly what: string }

/**
 * What the director does to others. `kill`, `kill all`, `stop`, `remove` are about to be done; the rest has been done. `kill all` is for a process and all
 * workers of its cluster, also those that the director hasn't heard of yet.
 */
type DirectorEvent =
  | { readonly kind: 'start' | 'kill' | 'kill all' | 'dead' | 'stop' | 'go'; readonly whom: string }
  | { readonly kind: 'remove' | 'removed'; readonly lock: string }

export type TracedDeed = RequestEvent | TicketEvent | ClientEvent | DirectorEvent

export type TraceEvent = TracedDeed & {
  readonly at: number
  /** Whose trace it stands in: `p3`; `p3.t1` for a thread of it, which ends with it; `p3+w1` for a worker of its cluster. */
  readonly who: string
}

export const DIRECTOR = 'director'

/** How often a client whose event loop goes round writes at least, in ms. */
export const HEARTBEAT_MS = 100

/** The lock that a request is for. */
export function lockOf(request: string): string {
  return request.slice(0, request.indexOf(':'))
}
