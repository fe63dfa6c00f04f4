/**
 * Generated cases. `SLOCKET_FUZZ_RUNS=5000 npm test -- strangers --timeout 3600` tries more of them. A failure prints its
 * seed; `SLOCKET_FUZZ_SEED` tries that again. A case that has failed belongs in the corpus.
 */
import fs from 'node:fs'
import fc from 'fast-check'

/** @param usual how many cases run by default. */
export async function fuzz<Case>(
  usual: number,
  cases: fc.Arbitrary<Case>,
  play: (one: Case) => Promise<void>,
): Promise<void> {
  const { SLOCKET_FUZZ_RUNS: runs, SLOCKET_FUZZ_SEED: seed } = process.env
  await fc.assert(fc.asyncProperty(cases, play), {
    numRuns: runs === undefined ? usual : Number(runs),
    ...(seed === undefined ? {} : { seed: Number(seed) }),
    // Not shrunk: processes that have failed once can't be used to find a smaller case.
    endOnFailure: true,
  })
}

/** The cases of test/strangers/corpus, by names that describe them. */
export function corpus(file: string): Record<string, unknown> {
  const url = new URL(`../../../test/strangers/corpus/${file}.json`, import.meta.url)
  return JSON.parse(fs.readFileSync(url, 'utf8')) as Record<string, unknown>
}

/** Plays the cases one after the other until one fails. */
export async function replay<Case>(
  cases: Readonly<Record<string, Case>>,
  play: (one: Case) => Promise<void>,
): Promise<void> {
  for (const [name, one] of Object.entries(cases)) {
    try {
      await play(one)
    } catch (error) {
      throw new Error(`of the corpus: '${name}'`, { cause: error })
    }
  }
}
