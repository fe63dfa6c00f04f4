// A request to join that is carried out long after it was given up: nobody knows of its ticket.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { keysOf } from '../../../src/engines/redis/names.ts'
import { redis } from '../../../src/engines/redis/index.ts'
import { JOIN } from '../../../src/engines/redis/scripts.ts'
import { slocket } from '../../../src/index.ts'
import { until } from '../../helpers/until.ts'
import { addressOf } from '../helpers/servers.ts'
import { Admin } from '../helpers/redis-arena.ts'

const url = addressOf('redis')
const TTL_MS = 3000

test('an orphaned ticket is removed by its client, which renews the lease that it shares', async () => {
  const namespace = `ghost-${randomBytes(6).toString('hex')}`
  await using admin = new Admin(url)
  const engine = redis({ url, namespace, ttl: TTL_MS })
  const keys = keysOf(namespace, 'haunted')
  const held = await slocket('haunted', { engine })
  const [id = ''] = (await admin.ask('ZRANGE', keys[0]!, '0', '-1')) as string[]
  const ghost = `${id.slice(0, id.indexOf('.'))}.0`
  const asked = [`${namespace}:wake:`, ghost, String(TTL_MS), 'wait', 'x', '{}', '']
  assert.match(((await admin.ask('EVAL', JOIN.text, '5', ...keys, ...asked)) as string[])[0]!, /^waiting/)
  const waiting = slocket('haunted', { engine })
  await until('the client has removed it', async () => (await admin.ask('ZSCORE', keys[0]!, ghost)) === null)
  await held.release()
  await (await waiting).release()
})

test('all tickets of a client in a queue share one lease, so they keep their order', async () => {
  const namespace = `together-${randomBytes(6).toString('hex')}`
  await using admin = new Admin(url)
  const [engine, other] = [redis({ url, namespace, ttl: TTL_MS }), redis({ url, namespace, ttl: TTL_MS })]
  const keys = keysOf(namespace, 'lost')
  const held = await slocket('lost', { engine: other })
  const order: string[] = []
  const waiting = ['first', 'second', 'third'].map((name) =>
    slocket.with('lost', { engine }, () => void order.push(name)),
  )
  await until('all wait', async () => (await admin.ask('ZCARD', keys[0]!)) === 4)
  // As if the server had not heard of it for long.
  const clients = (await admin.ask('ZRANGE', keys[1]!, '0', '-1')) as string[]
  const [holder = ''] = (await admin.ask('ZRANGE', keys[0]!, '0', '0')) as string[]
  const waiter = clients.find((client) => !holder.startsWith(client))!
  await admin.ask('ZADD', keys[1]!, '1', waiter)
  waiting.push(slocket.with('lost', { engine }, () => void order.push('fourth')))
  await until('all wait again', async () => {
    const ids = (await admin.ask('ZRANGE', keys[0]!, '0', '-1')) as string[]
    return ids.length === 5 && ids[1] !== undefined
  })
  await held.release()
  await Promise.all(waiting)
  assert.deepEqual(order, ['first', 'second', 'third', 'fourth'])
})
