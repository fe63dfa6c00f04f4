import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { etcd } from '../../../src/engines/etcd/index.ts'
import { slocket } from '../../../src/index.ts'
import { lastLease } from '../helpers/etcd-arena.ts'
import { etcdctl } from '../helpers/etcd-cluster.ts'
import { addressOf } from '../helpers/servers.ts'

test('ttl is in milliseconds, and is rounded up to the whole seconds of etcd', async () => {
  const endpoints = addressOf('etcd')
  const name = `ttl-${randomBytes(6).toString('hex')}`
  for (const [ttl, granted] of [
    [undefined, 10],
    [5000, 5],
    [5001, 6],
    [12_345.6, 13],
  ] as const) {
    const lock = await slocket(name, { engine: etcd({ endpoints, ttl }), linger: 0 })
    assert.match(
      await etcdctl(endpoints, 'lease', 'timetolive', await lastLease(endpoints, name)),
      new RegExp(`granted with TTL\\(${granted}s\\)`),
    )
    await lock.release()
  }
})
