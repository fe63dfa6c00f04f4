/**
 * Publishes what happens to locks on the channels of node:diagnostics_channel: docs/diagnostics.md. One object per request goes
 * through all channels, so that a subscriber can tell which messages belong together. Without subscribers it costs a few comparisons. What publishes the messages
 * is in lock-traces.ts, which is loaded with the first call, not with the package.
 */
import type { Channel, TracingChannel } from 'node:diagnostics_channel'
import type { WaitNotice } from './lock-state.ts'
import type { LockMode } from './options.ts'

/** The message of the diagnostics channels: one object per request, which is completed as the request goes on. */
export interface LockTrace {
  /** The path as passed to `slocket()`. */
  readonly name: string
  /** Whether it allows other holders: `exclusive` or `shared`. A downgrade changes it. */
  readonly mode: LockMode
  /** The number of permits that may be held at the same time, as the request said. `undefined` if the lock isn't a semaphore. */
  readonly permits: number | undefined
  /** How many of the permits it takes. `undefined` if the lock isn't a semaphore. */
  readonly take: number | undefined
  /** Its `options.label`. */
  readonly label: string | undefined
  /** Whether it is a `slocket.try()`, which never waits. */
  readonly isTry: boolean
  /** How long it waited, in milliseconds. Set when it is granted, refused or fails. */
  waitMs?: number
  /** Who is waited for, as passed to `options.onWait`. Set by each wait notice. */
  notice?: WaitNotice
  /** The fencing token. Set when it is granted. */
  token?: bigint
  /** Whether an earlier holder crashed, or ended without releasing. Set when it is granted. */
  recovered?: boolean
  /** How long it was held, in milliseconds. Set when it is released or lost. */
  holdMs?: number
  /** Why it was not granted, or why it was lost. */
  error?: unknown
}

interface Channels {
  readonly acquiring: TracingChannel<unknown, LockTrace>
  readonly waiting: Channel
  readonly noticed: Channel
  readonly granted: Channel
  readonly downgraded: Channel
  readonly released: Channel
  readonly lost: Channel
  /** All of these, and the five of `acquiring`. */
  readonly all: readonly Channel[]
}

let opened: Channels | undefined

/** Opens the channels at the first request: loading the module and opening them takes 0.2 ms, which an import should not cost. */
export function channels(): Channels {
  return (opened ??= openChannels())
}

function openChannels(): Channels {
  const { channel, tracingChannel } = process.getBuiltinModule('node:diagnostics_channel')
  const acquiring = tracingChannel<unknown, LockTrace>('slocket:acquire')
  const { start, end, asyncStart, asyncEnd, error } = acquiring
  const others = {
    waiting: channel('slocket:wait'),
    noticed: channel('slocket:wait-notice'),
    granted: channel('slocket:grant'),
    downgraded: channel('slocket:downgrade'),
    released: channel('slocket:release'),
    lost: channel('slocket:lost'),
  }
  return { acquiring, ...others, all: [start, end, asyncStart, asyncEnd, error, ...Object.values(others)] }
}

/** The properties of a `Lock` that are needed here. */
export type TracedLock = Required<Pick<LockTrace, 'name' | 'mode' | 'permits' | 'take' | 'token' | 'recovered'>>

/** Whether a channel has a subscriber: all of them concern a new request. */
export function isObserved(): boolean {
  opened ??= openChannels()
  const { all } = opened
  for (let index = 0; index < all.length; index += 1) if (all[index]!.hasSubscribers) return true
  return false
}

/** Whether somebody is to be notified of a release. */
export function isReleaseObserved(): boolean {
  return (opened ??= openChannels()).released.hasSubscribers
}
