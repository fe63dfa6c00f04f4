/**
 * What a thread and its worker, the thread that it waits by, say to each other: orders one way, answers and losses the
 * other, over a message port; and two words of shared memory, by which the one sleeps until the other has said something.
 */
import type { MessagePort } from 'node:worker_threads'
import type { Claim } from '../core/claim.ts'
import type { SlocketError } from '../errors.ts'
import type { WaitNotice } from '../lock-state.ts'
import type { LockMode, SlocketOptions } from '../options.ts'

/** The words of shared memory. */
export const WORDS = 2
/** Counts what the worker has said. Grows after each message, so that who reads it first misses none. */
export const SAID = 0
/** FREE, IN_USE or ENDED. A worker ends itself only if it is free, and only by this word. */
export const USE = 1

export const FREE = 0
export const IN_USE = 1
export const ENDED = 2

export interface WorkerData {
  readonly port: MessagePort
  readonly words: Int32Array
  /** Of the process: a worker thread's own would tell others nothing. */
  readonly argv: readonly string[]
  /** Which thread it stands in for. */
  readonly identity: string
}

/** Where the lock lives: see `localBesideMkdir`. */
export interface Place {
  readonly path: string
  readonly mkdirStaleMs: number | undefined
}

export type Order = { readonly id: number } & (
  | ({
      readonly do: 'acquire'
      readonly options: Pick<
        SlocketOptions,
        'mode' | 'permits' | 'take' | 'timeout' | 'waitNoticeAfter' | 'label' | 'linger' | 'access'
      >
      readonly claim: Claim
      /** False: null if it is not free. */
      readonly wait: boolean
      /** Whether notices of what it waits for are sent. */
      readonly isNoticed: boolean
      /** What the ordering thread has in the queue by its own event loop. */
      readonly own: readonly Claim[]
    } & Place)
  | { readonly do: 'release'; readonly lock: number }
  /** Says `lost` before it answers, if it is. */
  | { readonly do: 'look'; readonly lock: number }
  | ({ readonly do: 'query' } & Place)
  /** The process has run out of descriptors: closes what is idle. */
  | { readonly do: 'leave idle' }
  /** The process (or thread) that asks exits: removes all but what holds. */
  | { readonly do: 'leave' }
)

/** What is known of a lock that was granted. */
export interface Held {
  readonly mode: LockMode
  readonly permits: number | undefined
  readonly take: number | undefined
  readonly token: bigint
  readonly recovered: boolean
}

export type Answer =
  /** The lock has the id of the order from now on. */
  | { readonly kind: 'held'; readonly held: Held }
  | { readonly kind: 'busy' }
  | { readonly kind: 'done' }
  | { readonly kind: 'locked'; readonly isLocked: boolean }
  /** Whether anything was idle. */
  | { readonly kind: 'left'; readonly hasLeft: boolean }
  | { readonly kind: 'error'; readonly error: PlainError }

/** What is there for as long as a thread: something at a path, or a file that the thread has open. */
export type SignOfLife =
  | { readonly path: string }
  | { readonly descriptor: number; readonly dev: bigint; readonly ino: bigint; readonly ctimeNs: bigint }

export type Said =
  /** Missing if the thread can make none: without /proc, in a temporary directory that can't be written. */
  | { readonly kind: 'started'; readonly signOfLife: SignOfLife }
  /** It obeys. */
  | { readonly kind: 'ready' }
  /** It could not start, or has failed, and ends. */
  | { readonly kind: 'failed'; readonly message: string; readonly code: unknown }
  /** What an order waits for. */
  | { readonly kind: 'notice'; readonly id: number; readonly notice: WaitNotice }
  | { readonly kind: 'answer'; readonly id: number; readonly answer: Answer }
  | { readonly kind: 'lost'; readonly lock: number; readonly error: PlainError }

/** An error that survives the way: a structured clone of one has no `code`. */
export interface PlainError {
  readonly name: string
  readonly message: string
  readonly code: string | undefined
  /** Of a system error. */
  readonly details: Readonly<Record<string, unknown>>
  readonly cause: PlainError | undefined
  /** Of a timeout. */
  readonly facts: TimeoutFacts
}

export type TimeoutFacts = Pick<SlocketError, 'held' | 'ahead' | 'obstacle'>
