/** Detects a request that has waited for a long time while its own process has held the lock all along: maybe the process waits for itself. */
import { weightOf } from '../core/claim.ts'
import type { Request } from './request.ts'
import type { PlacedGroup } from './resource-requests.ts'
import { setTimeout, clearTimeout, monotonicNowNs } from '../real-time.ts'

/** How long a request waits before it is reported, in ms. */
const NOTICE_MS = 5000
const NS_PER_MS = 1_000_000n

/** There is one for each resource. It does not keep the process alive. */
export class SelfWaitWatch {
  readonly #groups: () => readonly PlacedGroup[]
  #timer: NodeJS.Timeout | undefined

  /** @param groups returns the current groups of the resource, oldest first. */
  constructor(groups: () => readonly PlacedGroup[]) {
    this.#groups = groups
  }

  /** Must be called when a request stands behind others of its process. */
  start(): void {
    this.#timer ??= setTimeout(() => this.#look(), NOTICE_MS).unref()
  }

  stop(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  #look(): void {
    this.#timer = undefined
    const groups = this.#groups()
    const holding = groups.flatMap((group) => group.holding)
    const now = monotonicNowNs()
    let youngMs: number | undefined
    for (const request of groups.flatMap((group) => group.waitingRequests)) {
      const waitedMs = Number((now - request.sinceNs) / NS_PER_MS)
      if (waitedMs < NOTICE_MS) youngMs = Math.max(youngMs ?? 0, waitedMs)
      else request.noticeSelfWait(blockerOf(request, holding))
    }
    if (youngMs !== undefined) this.#timer = setTimeout(() => this.#look(), NOTICE_MS - youngMs).unref()
  }
}

/** Returns the first holder that was granted before the request was made, if such holders alone keep it out; otherwise undefined. */
export function blockerOf({ claim, sinceNs }: Request, holding: readonly Request[]): Request | undefined {
  const before = holding.filter((holder) => holder.sinceNs <= sinceNs)
  const taken = before.reduce((sum, holder) => sum + weightOf(holder.claim), 0)
  const mostTaken = claim.kind === 'permit' ? claim.permits - claim.take : 0
  return taken > mostTaken ? before[0] : undefined
}
