import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import type { Redis, Subscription } from '../../src/engines/redis/client.ts'
import { adapt } from '../../src/engines/redis/client.ts'

function subscribe(redis: Redis): Subscription {
  return redis.subscribe('c', { onMessage: () => undefined, onGap: () => undefined })
}

/** A cluster client of node-redis that replies only when the test says so. */
class SlowCluster {
  readonly isOpen = true
  readonly calls: string[] = []
  readonly replies: (() => void)[] = []

  subscribe(channel: string): Promise<void> {
    return this.#ask(`subscribe ${channel}`)
  }

  unsubscribe(channel: string): Promise<void> {
    return this.#ask(`unsubscribe ${channel}`)
  }

  sendCommand(): never {
    throw new Error('not used')
  }

  connect(): void {}
  nodeClient(): void {}

  #ask(call: string): Promise<void> {
    this.calls.push(call)
    return new Promise((resolve) => this.replies.push(resolve))
  }
}

test('createCluster of redis: a subscription begins when the last one has ended, however late the replies are', async () => {
  const cluster = new SlowCluster()
  const redis = adapt(cluster)
  const first = subscribe(redis)
  await setImmediate()
  first.close()
  const second = subscribe(redis)
  second.close()
  const third = subscribe(redis)
  await setImmediate()
  assert.deepEqual(cluster.calls, ['subscribe c'])
  cluster.replies[0]!()
  await setImmediate()
  assert.deepEqual(cluster.calls, ['subscribe c', 'unsubscribe c'])
  cluster.replies[1]!()
  await Promise.all([first.ready, second.ready])
  await setImmediate()
  assert.deepEqual(cluster.calls, ['subscribe c', 'unsubscribe c', 'subscribe c'])
  // It is closed once more when its time limit is over.
  first.close()
  await setImmediate()
  assert.equal(cluster.calls.length, 3)
  cluster.replies[2]!()
  await third.ready
})

/** A Cluster of ioredis. */
class Cluster extends EventEmitter {
  readonly status = 'ready'
  readonly calls: string[] = []

  async subscribe(channel: string): Promise<void> {
    this.calls.push(`subscribe ${channel}`)
    await setImmediate()
  }

  async unsubscribe(channel: string): Promise<void> {
    this.calls.push(`unsubscribe ${channel}`)
    await setImmediate()
  }

  call(): void {}
  sendCommand(): void {}
  duplicate(): void {}
  connect(): void {}
  nodes(): void {}
}

test('Cluster of ioredis: a subscription that is closed again does not end the next one', async () => {
  const cluster = new Cluster()
  const redis = adapt(cluster)
  const first = subscribe(redis)
  first.close()
  await subscribe(redis).ready
  first.close()
  assert.deepEqual(cluster.calls, ['subscribe c', 'unsubscribe c', 'subscribe c'])
})
