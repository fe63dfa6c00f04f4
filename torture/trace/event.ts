/**
 * A trace: what one client (or the director) did, one JSON object per line, in order.
 *
 *  1. Times are nanoseconds of the kernel's monotonic clock, which all processes of the machine share.
 *  2. The start of an action is written before it begins, and its end after it has ended. So the checker may rely on every interval that it reads
 *     (who held, who was in the queue): it is never longer than the real one.
 *  3. Each line is one write, so it survives if the process is killed right after it.
 */

/** A claim, as the checker counts it: how many others may hold beside it, and which ones don't count. `permits:5/3` takes 3 of 5 permits. */
export type TracedClaim = 'exclusive' | 'shared' | `permits:${number}` | `permits:${number}/${number}`

/** The options that ask for a claim of permits; undefined for other claims. */
export function permitsOf(claim: TracedClaim): { readonly permits: number; readonly take: number } | undefined {
  if (!claim.startsWith('permits:')) return undefined
  const [permits, take = 1] = claim.slice('permits:'.length).split('/').map(Number)
  return { permits: permits!, take }
}

/** A request, as the caller of the API sees it. Its name is the lock's label, which begins with the lock's id. */
type RequestEvent =
  | {
      readonly kind: 'ask'
      readonly request: string
      readonly claim: TracedClaim
      /** False for a try. */
      readonly waits: boolean
      /** Its option `slice`, in ms; missing if 0. */
      readonly slice?: number
      /** Each engine in a process is a separate client. */
      readonly engine: number
    }
  | { readonly kind: 'grant'; readonly request: string; readonly token: string; readonly recovered: boolean }
  | { readonly kind: 'downgrade' | 'release' | 'released' | 'refused' | 'lost'; readonly request: string }
  /** Cancelled, timed out, or failed for lack of a resource that a nemesis has taken away. */
  | { readonly kind: 'rejected'; readonly request: string; readonly why: string }

/** A ticket, as the queue of the local engine sees it. */
type TicketEvent =
  | { readonly kind: 'enter'; readonly entry: number; readonly lock: string; readonly claim: TracedClaim }
  | { readonly kind: 'joined'; readonly entry: number; readonly ticket: string }
  /** It didn't get a ticket. */
  | { readonly kind: 'turned away'; readonly entry: number }
  | { readonly kind: 'turn' | 'share' | 'shares' | 'leave' | 'left'; readonly ticket: string }

/** The state of a client. */
type ClientEvent =
  /** Its event loop is running. Written at regular intervals. */
  | { readonly kind: 'beat' }
  /** It is about to end on its own, or is about to end one of its threads. */
  | { readonly kind: 'end'; readonly whom: string }
  /** A violation that the client found itself. */
  | { readonly kind: 'blame'; readonly what: string }

/**
 * An action of the director. `kill`, `kill all`, `stop` and `remove` are written before the action, the others after it. `kill all` ends a process and
 * all workers of its cluster, including those that the director doesn't know yet.
 */
type DirectorEvent =
  | { readonly kind: 'start' | 'kill' | 'kill all' | 'dead' | 'stop' | 'go'; readonly whom: string }
  | { readonly kind: 'remove' | 'removed'; readonly lock: string }

export type TracedDeed = RequestEvent | TicketEvent | ClientEvent | DirectorEvent

export type TraceEvent = TracedDeed & {
  readonly at: number
  /** The client whose trace this is: `p3`; `p3.t1` for a thread of it, which ends with it; `p3+w1` for a worker of its cluster. */
  readonly who: string
}

export const DIRECTOR = 'director'

/** The longest interval between two lines of a client whose event loop is running, in ms. */
export const HEARTBEAT_MS = 100

/** The lock that a request asks for. */
export function lockOf(request: string): string {
  return request.slice(0, request.indexOf(':'))
}
