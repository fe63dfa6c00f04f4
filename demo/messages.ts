/** What a worker tells the main process, and the clock that both read. */

export type WorkerMessage =
  /** It has the lock. Said before it touches anything. */
  | {
      readonly kind: 'granted'
      readonly token: bigint
      readonly recovered: boolean
      readonly askedNs: bigint
      readonly atNs: bigint
    }
  /** A predecessor died halfway, and it has put the books right. */
  | { readonly kind: 'repaired' }
  /** It is about to release. Said before it does, so one that was granted and has not said this is a holder. */
  | { readonly kind: 'releasing'; readonly atNs: bigint }

/** The one order there is: end after this round. */
export const FINISH = 'finish'

/** The kernel's monotonic clock: the same for all processes of one machine. */
export function nowNs(): bigint {
  return process.hrtime.bigint()
}

export function nsToMs(ns: bigint): number {
  return Number(ns) / 1e6
}
