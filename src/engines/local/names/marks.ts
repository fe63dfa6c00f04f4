/** The marks beside a ticket if locks can be stolen: steal.ts. */

/** The ticket holds. */
export const HOLDS = '-h'
/** Other requests wait by it, too. */
export const HAS_WAITERS = '-m'
/** The lock was stolen from it: it held, and no longer holds. */
export const STOLEN = '-s'
/** All marks that a ticket may have here. */
export const HOLDER_MARKS: readonly string[] = [HOLDS, HAS_WAITERS, STOLEN]

/** The name of the ticket that an entry is, or is a mark of. */
export function withoutMark(entry: string): string {
  const mark = HOLDER_MARKS.find((suffix) => entry.endsWith(suffix)) ?? ''
  return entry.slice(0, entry.length - mark.length)
}
