import assert from 'node:assert/strict'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { after, test } from 'node:test'
import { EXCLUSIVE } from '../../../src/core/claim.ts'
import { local } from '../../../src/engines/local/index.ts'
import { until } from '../../helpers/until.ts'

const parent = fs.mkdtempSync(path.join(os.tmpdir(), 'slocket-cancelled-'))
after(() => fs.rmSync(parent, { recursive: true, force: true }))

/** More than a request takes from the call to its ticket. */
const MOST_MICROTASKS = 60

for (const lingerMs of [0, 5]) {
  test(`a request cancelled before its first ticket does not affect the next one, with a linger of ${lingerMs} ms`, async () => {
    for (let count = 0; count < MOST_MICROTASKS; count += 1) {
      const engine = local()
      const lockPath = path.join(parent, `lock-${lingerMs}-${count}`)
      const controller = new AbortController()
      const asked = { claim: EXCLUSIVE, wait: true, label: undefined, lingerMs }
      const first = Promise.allSettled([engine.acquire(lockPath, { ...asked, signal: controller.signal })])
      for (let step = 0; step < count; step += 1) await Promise.resolve()
      controller.abort()
      const second = engine.acquire(lockPath, { ...asked, signal: undefined })
      const [outcome] = await first
      if (outcome.status === 'fulfilled') await outcome.value?.release()
      const grant = await second
      assert.equal((await engine.query(lockPath)).held[0]?.self, true)
      if (count % 2 === 0) await sleep(2 * lingerMs)
      await grant!.release()
      await until('nothing is left', () => !fs.existsSync(lockPath))
    }
  })
}
