// The conformance suite on the engine of named locks: what `LockManager` has its locks from. Names are strings of any kind.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after, describe, test } from 'node:test'
import { openNames } from '../../src/engines/local/names/index.ts'
import { testEngine } from '../../src/testing/index.ts'
import { DEADLINE_MS } from '../helpers/until.ts'
import { seed } from './seed.ts'

/** @param rounds how often each race is run */
export function testNames(rounds: number): void {
  describe('names', () => {
    const parent = fs.mkdtempSync(path.join(os.tmpdir(), 'slocket-names-'))
    after(() => fs.rmSync(parent, { recursive: true, force: true }))
    const root = path.join(parent, 'root')
    let resources = 0

    testEngine({
      name: 'names',
      capabilities: {
        ordered: true,
        shared: true,
        permits: true,
        take: true,
        recovered: false,
        steal: true,
        releasesAtOnce: true,
      },
      openClient: () => openNames(root),
      // Every third name is too long for a file name.
      resource: () => ((resources += 1) % 3 === 0 ? `${'long '.repeat(100)}${resources}` : `Lock/${resources}`),
      rounds,
      // Under Wine, each file takes ten times as long to open.
      timeoutMs: process.platform === 'win32' ? 300_000 : DEADLINE_MS,
      seed,
    })

    test('nothing is left at the end', async () => {
      assert.ok(resources > 0)
      // Bound: the runner's own limit for a test.
      while (fs.existsSync(root)) await new Promise((done) => setTimeout(done, 10))
    })
  })
}
