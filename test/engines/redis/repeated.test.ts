// A call without an answer is repeated, and by then a later call may have been carried out.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { redis } from '../../../src/engines/redis/index.ts'
import { keysOf } from '../../../src/engines/redis/names.ts'
import { RENEW } from '../../../src/engines/redis/scripts.ts'
import { slocket } from '../../../src/index.ts'
import { until } from '../../helpers/until.ts'
import { Admin } from '../helpers/redis-arena.ts'
import { addressOf } from '../helpers/servers.ts'
import { TcpProxy } from '../helpers/tcp-proxy.ts'

test('a lock that was acquired while a renewal had no answer is still held after the renewal is repeated', async () => {
  const url = addressOf('redis')
  await using admin = new Admin(url)
  await using proxy = await TcpProxy.open(url)
  let renewals = 0
  let isToHold = false
  proxy.onSent = (bytes) => {
    if (!bytes.includes(RENEW.sha)) return
    renewals += 1
    if (isToHold) proxy.holdReplies()
    else proxy.passReplies()
    isToHold = false
  }
  const namespace = `repeated-${randomBytes(6).toString('hex')}`
  const engine = redis({ url: `redis://${proxy.address}`, namespace, ttl: 3000 })
  const options = { engine, mode: 'shared' } as const
  await using _first = await slocket('data', options)
  // The next ones need not load the script first.
  await until('a renewal', () => renewals > 0)
  isToHold = true
  await until('a renewal has no answer', () => proxy.isHoldingReplies)
  // So the renewal is repeated before this call is: a connection on which two calls have no answer is closed.
  await sleep(300)
  await using late = await slocket('data', options)
  assert.equal(proxy.isHoldingReplies, false)
  const before = renewals
  await until('a further renewal', () => renewals > before)
  assert.equal(await admin.ask('ZCARD', keysOf(namespace, 'data')[0]!), 2)
  assert.equal(late.held, true)
})
