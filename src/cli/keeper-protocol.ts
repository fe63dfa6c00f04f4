/**
 * What `slocket hold` and the keeper that it starts say to each other, by a socket that both have: one JSON text a line.
 *
 *     slocket hold → keeper   a KeeperRequest
 *     keeper → slocket hold   any number of `said`; then `held`, `busy` or `failed`
 *     slocket hold → keeper   an empty line, after `held`: from then on the lock is the script's
 *
 * If the socket closes before that last line, `slocket hold` has been killed, and its caller doesn't know of the lock: the keeper gives it back.
 */
import { createInterface } from 'node:readline'
import type { Duplex } from 'node:stream'
import type { LockWish } from './lock-options.ts'

export interface KeeperRequest extends Pick<LockWish, 'options' | 'isTry' | 'access'> {
  readonly lock: string
  /** What the keeper was given open without need: it would keep pipes of the script from ending. */
  readonly inherited: readonly number[]
}

export type KeeperReport =
  | { readonly kind: 'said'; readonly message: string }
  | { readonly kind: 'held'; readonly token: string; readonly recovered: boolean }
  /** The lock wasn't to be had in time. */
  | { readonly kind: 'busy'; readonly message: string }
  | { readonly kind: 'failed'; readonly status: number; readonly message: string }

/** By which the keeper has the socket. */
export const KEEPER_DESCRIPTOR = 3

/** How a keeper is called: `slocket keep PID:START LOCK`. It is no command for users. */
export const KEEP = 'keep'

/** Sends one line; without a value, an empty one. Resolves when the system has it, or the other side has gone. */
export async function send(channel: Duplex, value?: KeeperRequest | KeeperReport): Promise<void> {
  await new Promise<void>((resolve) => {
    channel.write(`${value === undefined ? '' : JSON.stringify(value)}\n`, () => resolve())
  })
}

/** The lines that come. They end when the other side has gone. */
export function linesOf(channel: Duplex): AsyncIterator<string> {
  // Whatever breaks the connection ends it, too.
  channel.on('error', () => {})
  return createInterface({ input: channel, crlfDelay: Infinity })[Symbol.asyncIterator]()
}
