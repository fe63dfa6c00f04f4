// A ticket that is cancelled, and cannot be taken out of the queue, while its process waits by another one, and holds none.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import os from 'node:os'
import path from 'node:path'
import { after, test } from 'node:test'
import timers from 'node:timers'
import { permitClaim } from '../../../src/core/claim.ts'
import { local } from '../../../src/engines/local/index.ts'
import { waitingIn } from '../../helpers/lock-directory.ts'
import { until } from '../../helpers/until.ts'

const parent = fs.mkdtempSync(path.join(os.tmpdir(), 'slocket-stuck-'))
const { setInterval } = timers
const { unlinkSync } = fs
after(() => {
  fs.rmSync(parent, { recursive: true, force: true })
  Object.assign(timers, { setInterval })
  syncBuiltinESMExports()
})

const CLOSE_MS = 1000
const NEVER_MS = 2 ** 31 - 1

test('a ticket that cannot be removed is retried often, even if no holder is left', async () => {
  // Without the check of waiters, which is too rare.
  const onlyClose = (callback: () => void, ms: number): NodeJS.Timeout =>
    setInterval(callback, ms > CLOSE_MS ? NEVER_MS : ms)
  Object.assign(timers, { setInterval: onlyClose })
  syncBuiltinESMExports()
  const [holder, waiter] = [local(), local()]
  const lockPath = path.join(parent, 'lock')
  const asked = { claim: permitClaim(2), wait: true, label: undefined, lingerMs: 0, signal: undefined }
  // As many of each as there are permits, so that each has a ticket of its own.
  const held = await Promise.all([holder.acquire(lockPath, asked), holder.acquire(lockPath, asked)])
  const controller = new AbortController()
  const cancelled = waiter.acquire(lockPath, { ...asked, signal: controller.signal })
  cancelled.catch(() => {})
  const waiting = waiter.acquire(lockPath, asked)
  const tickets = (): string[] => fs.readdirSync(lockPath).filter((name) => /-[0-9a-f]{8}$/.test(name))
  await until('both wait', () => waitingIn(lockPath).length === 2)
  const [, , stuck] = tickets()
  let attempts = 0
  fs.unlinkSync = (name) => {
    if (path.basename(String(name)) !== stuck) return unlinkSync(name)
    attempts += 1
    throw Object.assign(new Error('EROFS: read-only file system'), { code: 'EROFS' })
  }
  try {
    controller.abort(new Error('cancelled'))
    await assert.rejects(cancelled, /cancelled/)
    await until('it has been tried again, and again', () => attempts >= 3)
  } finally {
    fs.unlinkSync = unlinkSync
  }
  await until('it is out', () => !tickets().includes(stuck!))
  for (const grant of held) await grant!.release()
  const grant = await waiting
  await grant!.release()
})
