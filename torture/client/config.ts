/** What the director sends to a client, at its start and later. */
import type { LockPlan, Behaviour } from '../plan.ts'

export interface ClientConfig {
  readonly name: string
  readonly seed: number
  readonly traces: string
  readonly locks: readonly (LockPlan & { readonly path: string })[]
  readonly behaviour: Behaviour
  /** How many worker threads, or workers of its cluster, it starts. */
  readonly threads: number
  readonly workers: number
  /** True if it may run short of descriptors or space. */
  readonly maySuffer: boolean
  /** How far its monotonic clock is ahead of the kernel's, in s. */
  readonly clockOffsetSeconds: number
}

/** One JSON object per line, over stdin; to threads and workers, over their channel. */
export type Order =
  /** Make no more requests, and end when the last one is over. */
  | { readonly do: 'drain' }
  /** Make no new requests for that time. */
  | { readonly do: 'hush'; readonly ms: number }
  /** Block the event loop. */
  | { readonly do: 'block'; readonly ms: number }
  /** Use up the descriptors but `spare`, for a while. */
  | { readonly do: 'exhaust'; readonly spare: number; readonly ms: number }
  /** Shift the wall clock by this much from now on. */
  | { readonly do: 'shift clock'; readonly ms: number }
  | { readonly do: 'exit' }
  /** Throw an uncaught exception. */
  | { readonly do: 'throw' }
  /** End a thread, and start another one. */
  | { readonly do: 'replace thread' }

/** One JSON object per line, over stdout. A client, and each worker of its cluster, reports when it has started. */
export interface Report {
  readonly name: string
  readonly pid: number
}
