/** What second names beside a ticket say of it, where locks can be stolen: steal.ts. */

/** It holds. */
export const HOLDS = '-h'
/** Others wait by it too. */
export const CROWDED = '-m'
/** It was robbed: it held, and holds no longer. */
export const STOLEN = '-s'
/** All that a ticket may have here. */
export const HOLDER_MARKS: readonly string[] = [HOLDS, CROWDED, STOLEN]
