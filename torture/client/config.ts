/** What the director tells a client when it starts it, and later. */
import type { LockPlan, Manners } from '../plan.ts'

export interface ClientConfig {
  readonly name: string
  readonly seed: number
  readonly traces: string
  readonly locks: readonly (LockPlan & { readonly path: string })[]
  readonly manners: Manners
  /** How many worker threads, or workers of its cluster, it starts. */
  readonly threads: number
  readonly workers: number
  /** Whether it may be short of descriptors or space. */
  readonly maySuffer: boolean
  /** What its monotonic clock is ahead of the kernel's, in s. */
  readonly clockOffsetSeconds: number
}

/** One JSON object a line, over stdin; over the channel to threads and workers. */
export type Order =
  /** No more requests; end when the last one is over. */
  | { readonly do: 'drain' }
  /** No new requests for so long. */
  | { readonly do: 'hush'; readonly ms: number }
  /** Block the event loop. */
  | { readonly do: 'block'; readonly ms: number }
  /** Have no descriptors left but `spare`, for a while. */
  | { readonly do: 'exhaust'; readonly spare: number; readonly ms: number }
  /** The wall clock is this far off from now on. */
  | { readonly do: 'shift clock'; readonly ms: number }
  | { readonly do: 'exit' }
  /** An uncaught exception. */
  | { readonly do: 'throw' }
  /** End a thread, and start another one. */
  | { readonly do: 'replace thread' }

/** One JSON object a line, over stdout. A client, and each worker of its cluster, says when it has started. */
export interface Report {
  readonly name: string
  readonly pid: number
}
