/** SLOCKET_SEED=… repeats a run; the seed of a failed one is in the names of its tests. */
const text = process.env['SLOCKET_SEED']

export const seed: number = text === undefined ? Math.floor(Math.random() * 2 ** 32) : Number(text)
