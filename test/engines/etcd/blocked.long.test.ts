import { randomBytes } from 'node:crypto'
import { describe, test } from 'node:test'
import { etcd } from '../../../src/engines/etcd/index.ts'
import { slocket } from '../../../src/index.ts'
import { addressOf } from '../helpers/servers.ts'

/** Longer than any call may take. */
const BLOCKED_MS = 3100

describe('a process whose event loop blocks again and again', () => {
  test('for longer than any call may take: it keeps its lock, since the server is not at fault', async () => {
    // The patience: longer than it takes where each call is answered after one block.
    const engine = etcd({ endpoints: addressOf('etcd'), ttl: 20_000 })
    const blocking = setInterval(block, 1)
    try {
      const lock = await slocket(`blocked-${randomBytes(6).toString('hex')}`, { engine })
      await lock.release()
    } finally {
      clearInterval(blocking)
    }
  })
})

function block(): void {
  const endMs = performance.now() + BLOCKED_MS
  while (performance.now() < endMs);
}
