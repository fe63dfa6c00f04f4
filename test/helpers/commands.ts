/** The messages between a test and test/fixtures/client.ts: one JSON object per line. */
import type { SlocketOptions } from '../../src/index.ts'

/** The options that can be sent to another process. */
export type PlainOptions = Pick<
  SlocketOptions,
  'mode' | 'permits' | 'take' | 'timeout' | 'label' | 'linger' | 'slice' | 'access'
>

/** `as` names the handle; by default, it is 'lock'. Commands that are sent together run in the same tick. */
export type Command =
  /** Answers granted, or rejected; and lost, if the lock is lost later. */
  | { readonly do: 'acquire'; readonly path: string; readonly options?: PlainOptions; readonly as?: string }
  /** Like acquire, with `slocket.sync`: reports blocking, and blocks until it answers. */
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
  /** Acquires and releases in a loop, and adds one to the number in the file `counter` each time: done. */
  | {
      readonly do: 'contend'
      readonly path: string
      readonly options?: PlainOptions
      readonly rounds: number
      readonly counter?: string
      /** With `slocket.sync`. */
      readonly sync?: boolean
      /** Downgrades the lock before it releases it. */
      readonly downgrade?: boolean
    }
  /** Answers blocking, blocks the event loop, then answers unblocked. Blocks for `ms`, or until there is a file at `until`. */
  | { readonly do: 'block'; readonly ms: number }
  | { readonly do: 'block'; readonly until: string }
  /** Answers pong: the event loop runs. */
  | { readonly do: 'ping' }
  /** Lets the process end when nothing else keeps it alive: detached. */
  | { readonly do: 'detach' }
  | { readonly do: 'exit'; readonly code: number }
  /** Throws an uncaught exception. */
  | { readonly do: 'throw' }
  /** Opens files until only `spare` descriptors are left: exhausted, with `count`. */
  | { readonly do: 'exhaust'; readonly spare: number }
  /** Closes these files: replenished. */
  | { readonly do: 'replenish' }
  /** Opens connections to the socket at `path` and sends nothing: flooded, with the `count` of open connections. */
  | { readonly do: 'flood'; readonly path: string; readonly count: number }
  /** Starts a worker thread, or a worker of its cluster, which obeys commands too and reports ready. */
  | { readonly do: 'thread' | 'fork'; readonly thread: string }
  | { readonly do: 'to'; readonly thread: string; readonly command: Command }
  /** Answers terminated. */
  | { readonly do: 'terminate'; readonly thread: string }
  /** For a process with the steps preloaded (fixtures/steps.ts): what happens at which step, counted from now on. */
  | { readonly do: 'plan'; readonly plan: StepPlan }
  /** Answers steps: the steps since the plan. */
  | { readonly do: 'steps' }

/** What happens at the step of the given number, counted from 1 after the plan is made. */
export interface StepPlan {
  /** Only steps on this directory, or below it, are counted. */
  readonly path: string
  /** 0: at no step. */
  readonly at: number
  readonly when: 'before' | 'after' | 'both'
  readonly deed: StepDeed
  /** Applies to every step of this name instead of one step. */
  readonly every?: string
}

export type StepDeed =
  | { readonly kind: 'none' }
  | { readonly kind: 'kill' }
  /** Reports stopping, and is stopped. */
  | { readonly kind: 'stop' }
  /**
   * For a listing: reports stopping, and is stopped in the middle of it. The listing then shows what was there before and still
   * is, and nothing newer, as on file systems where a listing shows the directory as it was when it was opened (btrfs).
   */
  | { readonly kind: 'stop amid' }
  /** The step isn't done, and fails with a system error of this code. */
  | { readonly kind: 'fail'; readonly code: string }

export interface ClientEvent {
  readonly event: string
  readonly as?: string
  /** The worker that reports it. */
  readonly thread?: string
  readonly token?: string
  readonly recovered?: boolean
  readonly held?: boolean
  readonly code?: string
  readonly message?: string
  readonly isSlocketError?: boolean
  readonly steps?: readonly string[]
  readonly count?: number
  /** The processor time that it used, in ms. */
  readonly cpuMs?: number
  /** Its process id in its own namespace. */
  readonly pid?: number
}
