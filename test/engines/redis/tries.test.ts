import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { redis } from '../../../src/engines/redis/index.ts'
import { slocket } from '../../../src/index.ts'
import { until } from '../../helpers/until.ts'
import { addressOf } from '../helpers/servers.ts'

const url = addressOf('redis')

test('a shared try is refused while an exclusive request waits ahead, whoever came last', async () => {
  const namespace = `tries-${randomBytes(6).toString('hex')}`
  const [engine, other] = [redis({ url, namespace }), redis({ url, namespace })]
  const reader = await slocket('shared', { engine, mode: 'shared' })
  const writer = slocket('shared', { engine: other })
  const pending = async (): Promise<number> => (await slocket.query('shared', { engine })).pending.length
  await until('the writer waits', async () => (await pending()) === 1)
  const later = slocket('shared', { engine, mode: 'shared' })
  await until('the other reader waits', async () => (await pending()) === 2)
  assert.equal(await slocket.try('shared', { engine: other, mode: 'shared' }), null)
  assert.equal(await pending(), 2)
  await reader.release()
  await (await writer).release()
  await (await later).release()
})
