/**
 * Whether a wait can end if the waiter does nothing else meanwhile: it releases nothing that it has in the queue itself,
 * and none of its other waits goes on. So its own tickets stand ahead, and stay. Pure.
 */
import type { Claim } from './claim.ts'
import { doMatch, weightOf } from './claim.ts'

export type Outlook =
  /** Its turn comes once others have left. */
  | 'open'
  /** Everything that it would have to wait for waits for its own tickets, and so goes only if it is cancelled, or dies. */
  | 'at once or when others give up'
  | 'never'

/** What to do about a request whose caller releases nothing while it waits. */
export type Advice =
  | 'wait'
  /** Only if it is free at once; otherwise it is a deadlock. */
  | 'try'
  | 'refuse'

/** @param timeoutMs 0: it never waits. Undefined: only the caller ends its wait. */
export function adviceFor(asked: Claim, own: readonly Claim[], timeoutMs: number | undefined): Advice {
  if (timeoutMs === 0) return 'wait'
  switch (outlookOf(asked, own)) {
    case 'open':
      return 'wait'
    case 'never':
      return 'refuse'
    case 'at once or when others give up':
      // With a timeout it can wait for the others to give up.
      return timeoutMs === undefined ? 'try' : 'wait'
  }
}

/** @param own what it has in the queue itself, held or waiting. */
export function outlookOf(asked: Claim, own: readonly Claim[]): Outlook {
  // Claims that don't match aren't a matter of waiting: the code that decides on turns refuses them.
  if (own.length === 0 || !own.every((claim) => doMatch(asked, claim))) return 'open'
  switch (asked.kind) {
    case 'exclusive':
      return 'never'
    case 'shared':
      return own.some(({ kind }) => kind === 'exclusive') ? 'never' : 'at once or when others give up'
    case 'permit':
      return own.reduce((taken, claim) => taken + weightOf(claim), asked.take) <= asked.permits && haveRoom(own)
        ? 'open'
        : 'never'
  }
}

/** Whether all own permits can be held together. If not, one of them waits forever, and so does every request behind it, whatever its number. */
function haveRoom(own: readonly Claim[]): boolean {
  // If there is an order in which each has room beside those before it, it is that of their numbers.
  const permits = own.flatMap((claim) => (claim.kind === 'permit' ? claim : [])).sort((a, b) => a.permits - b.permits)
  let taken = 0
  return permits.every((claim) => (taken += claim.take) <= claim.permits)
}
