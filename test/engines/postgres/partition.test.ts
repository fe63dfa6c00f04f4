// A holder whose packets are dropped, without notice to it or to the server. More in partition.long.test.ts.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { reasonWithoutIslands } from '../helpers/island.ts'
import { cutOffForLong, inScene, MUCH_LATER_MS } from './island.ts'

test(
  'a PostgreSQL holder that is cut off for long is notified first; then the next one gets the lock',
  { skip: reasonWithoutIslands() },
  async () => {
    await inScene(async (scene) => {
      const { code, lostMs, grantedMs } = await cutOffForLong(scene, ['input', 'output'])
      assert.equal(code, 'ERR_SLOCKET_LOST')
      assert.ok(lostMs < grantedMs && grantedMs < MUCH_LATER_MS, `${lostMs}, ${grantedMs} ms`)
    })
  },
)
