/** What a test says to test/fixtures/client.ts, and what that says back: one JSON object a line. */
import type { SlocketOptions } from '../../src/index.ts'

/** What of the options can be sent to another process. */
export type PlainOptions = Pick<
  SlocketOptions,
  'mode' | 'permits' | 'take' | 'timeout' | 'label' | 'linger' | 'slice' | 'access'
>

/** `as` names the handle, and is 'lock' unless given. Commands that were sent together are done in one tick. */
export type Command =
  /** Answers granted, or rejected; and lost, if it is ever lost. */
  | { readonly do: 'acquire'; readonly path: string; readonly options?: PlainOptions; readonly as?: string }
  /** As acquire, by `slocket.sync`: says blocking, and is blocked until it answers. */
  | { readonly do: 'sync'; readonly path: string; readonly options?: PlainOptions; readonly as?: string }
  /** Answers granted, refused, or rejected. */
  | { readonly do: 'try'; readonly path: string; readonly options?: PlainOptions; readonly as?: string }
  /** Cancels an acquire: rejected, with code 'CANCELLED'. */
  | { readonly do: 'abort'; readonly as?: string }
  /** Answers downgraded, or rejected. */
  | { readonly do: 'downgrade'; readonly as?: string }
  /** Answers released, or rejected. */
  | { readonly do: 'release'; readonly as?: string }
  /** Answers state, with `held`. */
  | { readonly do: 'state'; readonly as?: string }
  /** Acquires and releases again and again, adding one to the number in the file `counter` each time: done. */
  | {
      readonly do: 'contend'
      readonly path: string
      readonly options?: PlainOptions
      readonly rounds: number
      readonly counter?: string
      /** By `slocket.sync`. */
      readonly sync?: boolean
      /** Downgrades the lock before it releases it. */
      readonly downgrade?: boolean
    }
  /** Answers blocking, blocks the event loop, answers unblocked. Blocks for `ms`, or until there is a file at `until`. */
  | { readonly do: 'block'; readonly ms: number }
  | { readonly do: 'block'; readonly until: string }
  /** Answers pong: the event loop goes round. */
  | { readonly do: 'ping' }
  /** Lets the process end when nothing else keeps it alive: detached. */
  | { readonly do: 'detach' }
  | { readonly do: 'exit'; readonly code: number }
  /** An uncaught exception. */
  | { readonly do: 'throw' }
  /** Opens files until there are no more descriptors, but for `spare`: exhausted, with `count`. */
  | { readonly do: 'exhaust'; readonly spare: number }
  /** Closes them again: replenished. */
  | { readonly do: 'replenish' }
  /** Opens connections to the socket at `path` and says nothing over them: flooded, with the `count` of those that came about. */
  | { readonly do: 'flood'; readonly path: string; readonly count: number }
  /** Starts a worker thread, or a worker of its cluster, which obeys commands too and says ready. */
  | { readonly do: 'thread' | 'fork'; readonly thread: string }
  | { readonly do: 'to'; readonly thread: string; readonly command: Command }
  /** Answers terminated. */
  | { readonly do: 'terminate'; readonly thread: string }
  /** For a process with the steps preloaded (fixtures/steps.ts): what is to happen, counted from now on. */
  | { readonly do: 'plan'; readonly plan: StepPlan }
  /** Answers steps: those since the plan. */
  | { readonly do: 'steps' }

/** What is to be done at the step of the given number, counted from 1 when the plan is made. */
export interface StepPlan {
  /** Only steps below this directory are counted, or on it. */
  readonly path: string
  /** 0: at none. */
  readonly at: number
  readonly when: 'before' | 'after' | 'both'
  readonly deed: StepDeed
  /** Does the deed at every step of this name instead of at one. */
  readonly every?: string
}

export type StepDeed =
  | { readonly kind: 'none' }
  | { readonly kind: 'kill' }
  /** Says stopping, and is stopped. */
  | { readonly kind: 'stop' }
  /**
   * Of a listing: says stopping, and is stopped in the middle of it. The listing then shows what was there before and still
   * is, and nothing newer, as on file systems where a directory is listed as it was when it was opened (btrfs).
   */
  | { readonly kind: 'stop amid' }
  /** The step is not done, and fails with a system error of this code. */
  | { readonly kind: 'fail'; readonly code: string }

export interface ClientEvent {
  readonly event: string
  readonly as?: string
  /** The worker that says it. */
  readonly thread?: string
  readonly token?: string
  readonly recovered?: boolean
  readonly held?: boolean
  readonly code?: string
  readonly message?: string
  readonly isSlocketError?: boolean
  readonly steps?: readonly string[]
  readonly count?: number
  /** The processor time that it took, in ms. */
  readonly cpuMs?: number
  /** Its process id as it sees that itself. */
  readonly pid?: number
}
