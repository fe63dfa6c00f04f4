import assert from 'node:assert/strict'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after, test } from 'node:test'
import { Cancellation } from '../../../src/contract/cancellation.ts'
import type { EnqueueRequest } from '../../../src/contract/ticket-queue.ts'
import { EXCLUSIVE } from '../../../src/core/claim.ts'
import { QueueDirectory } from '../../../src/engines/local/directory.ts'
import { Presence } from '../../../src/engines/local/presence.ts'
import { LocalQueue } from '../../../src/engines/local/queue.ts'

const parent = fs.mkdtempSync(path.join(os.tmpdir(), 'slocket-queue-'))
after(() => fs.rmSync(parent, { recursive: true, force: true }))

test('without hard links, a ticket that is withdrawn while it connects to the one ahead leaves no mark', async (context) => {
  context.mock.method(fs, 'linkSync', () => {
    throw Object.assign(new Error('no hard links'), { code: 'EPERM' })
  })
  const lockPath = path.join(parent, 'lock')
  const [ahead, behind] = [newQueue(lockPath), newQueue(lockPath)]
  const first = (await ahead.enqueue(request()))!
  const asked = request()
  const second = (await behind.enqueue(asked))!
  const listing = behind.list(second)
  assert.deepEqual(namesIn(lockPath), [first.name, second.name])
  const change = behind.anyChange(second, listing.slice(0, 1), asked.cancellation)
  asked.cancellation.cancel()
  behind.withdraw(second)
  await change
  assert.deepEqual(namesIn(lockPath), [first.name])
  ahead.withdraw(first)
  assert.equal(fs.existsSync(lockPath), false)
})

function newQueue(lockPath: string): LocalQueue {
  const directory = new QueueDirectory(lockPath)
  return new LocalQueue(directory, new Presence(directory, { onPresent: () => {}, onAway: () => {} }))
}

interface CancellableRequest extends EnqueueRequest {
  readonly cancellation: Cancellation
}

function request(): CancellableRequest {
  return {
    claim: EXCLUSIVE,
    wait: true,
    lingerMs: 0,
    cancellation: new Cancellation(),
    party: () => [],
    onLost: () => {},
  }
}

function namesIn(lockPath: string): string[] {
  return fs
    .readdirSync(lockPath)
    .filter((name) => name !== '.members')
    .sort()
}
