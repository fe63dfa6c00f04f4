// The conformance suite on the local engine, in a directory of its own.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after, describe, test } from 'node:test'
import { local } from '../../src/index.ts'
import { testEngine } from '../../src/testing/index.ts'
import { DEADLINE_MS } from '../helpers/until.ts'
import { seed } from './seed.ts'

/** @param options how long sockets are kept after a release, in ms; how often each race is run */
export function testLocal({ lingerMs, rounds }: { lingerMs: number; rounds: number }): void {
  describe(`with a linger of ${lingerMs} ms`, () => {
    const parent = fs.mkdtempSync(path.join(os.tmpdir(), 'slocket-conformance-'))
    after(() => fs.rmSync(parent, { recursive: true, force: true }))
    let resources = 0

    testEngine({
      name: 'local',
      capabilities: {
        ordered: true,
        shared: true,
        permits: true,
        take: true,
        recovered: true,
        downgrade: true,
        releasesAtOnce: true,
      },
      openClient: () => local(),
      resource: () => path.join(parent, `lock-${(resources += 1)}`),
      lingerMs,
      rounds,
      // Under Wine, each file takes ten times as long to open.
      timeoutMs: process.platform === 'win32' ? 300_000 : DEADLINE_MS,
      seed,
    })

    test('no directory is left at the end', async () => {
      assert.ok(resources > 0)
      // Bound: the runner's own limit for a test.
      if (lingerMs > 0) while (fs.readdirSync(parent).length > 0) await new Promise((done) => setTimeout(done, 10))
      assert.deepEqual(fs.readdirSync(parent), [])
    })
  })
}
