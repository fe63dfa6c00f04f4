/** Why a test cannot run here; false if it can. */
export const ELSEWHERE: string | false = process.platform !== 'win32' && 'for Windows, or Wine: npm run test:windows'

/** Flags of `fs.open` that have no name in `fs.constants`: held-file.ts. */
export const NO_SHARING = 0x10000000
export const DELETE_ON_CLOSE = 0x40
