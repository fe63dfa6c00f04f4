import assert from 'node:assert/strict'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after, test } from 'node:test'
import type { Lock } from '../../../src/index.ts'
import { slocket } from '../../../src/index.ts'
import { until } from '../../helpers/until.ts'

const parent = fs.mkdtempSync(path.join(os.tmpdir(), 'slocket-loss-'))
after(() => fs.rmSync(parent, { recursive: true, force: true }))

for (const linger of [0, 300]) {
  test(`a request repeated after a loss queues behind other waiters, with a linger of ${linger} ms`, async () => {
    const lockPath = path.join(parent, `lock-${linger}`)
    const order: string[] = []
    const use = async (name: string, asked: Promise<Lock>): Promise<void> => {
      const lock = await asked
      order.push(name)
      await lock.release()
    }
    const held = await slocket(lockPath, { linger })
    const waiting = use('waited', slocket(lockPath, { linger }))
    const asking = new Promise<void>((resolve) => {
      held.signal.addEventListener('abort', () => resolve(use('asked anew', slocket(lockPath, { linger }))))
    })
    await new Promise((resolve) => setImmediate(resolve))
    fs.rmSync(lockPath, { recursive: true })
    await Promise.all([waiting, asking])
    assert.deepEqual(order, ['waited', 'asked anew'])
    await until('nothing is left', () => !fs.existsSync(lockPath))
  })
}
