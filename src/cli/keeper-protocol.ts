/**
 * The protocol between `slocket hold` and the keeper that it starts, over a socket that both have: one JSON text per line.
 *
 *     slocket hold → keeper   a KeeperRequest
 *     keeper → slocket hold   any number of `said`; then `held`, `busy` or `failed`
 *     slocket hold → keeper   an empty line, after `held`: from then on the lock is the script's
 *
 * If the socket closes before that last line, `slocket hold` has been killed, and its caller doesn't know of the lock: the keeper releases it.
 */
import { createInterface } from 'node:readline'
import type { Duplex } from 'node:stream'
import type { LockWish } from './lock-options.ts'

export interface KeeperRequest extends Pick<LockWish, 'options' | 'isTry' | 'access'> {
  readonly lock: string
  /** The descriptors that the keeper inherited but doesn't need: they would keep pipes of the script from ending. */
  readonly inherited: readonly number[]
}

export type KeeperReport =
  | { readonly kind: 'said'; readonly message: string }
  | { readonly kind: 'held'; readonly token: string; readonly recovered: boolean }
  /** The lock wasn't free in time. */
  | { readonly kind: 'busy'; readonly message: string }
  | { readonly kind: 'failed'; readonly status: number; readonly message: string }

/** The descriptor under which the keeper has the socket. */
export const KEEPER_DESCRIPTOR = 3

/** How a keeper is started: `slocket keep PID:START LOCK`. It isn't a command for users. */
export const KEEP = 'keep'

/** Sends one line; without a value, an empty line. Resolves when the system has it, or the other side has gone. */
export async function send(channel: Duplex, value?: KeeperRequest | KeeperReport): Promise<void> {
  await new Promise<void>((resolve) => {
    channel.write(`${value === undefined ? '' : JSON.stringify(value)}\n`, () => resolve())
  })
}

/** Returns the lines that arrive. They end when the other side has gone. */
export function linesOf(channel: Duplex): AsyncIterator<string> {
  // An error also ends the connection, so there is nothing else to do.
  channel.on('error', () => {})
  return createInterface({ input: channel, crlfDelay: Infinity })[Symbol.asyncIterator]()
}
