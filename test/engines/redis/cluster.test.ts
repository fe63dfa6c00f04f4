// A cluster of three masters, by the clients for clusters.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Cluster } from 'ioredis'
import { createClient } from 'redis'
import { redis } from '../../../src/engines/redis/index.ts'
import { keysOf } from '../../../src/engines/redis/names.ts'
import type { Engine } from '../../../src/index.ts'
import { LockManager, slocket } from '../../../src/index.ts'
import { until } from '../../helpers/until.ts'
import { Admin } from '../helpers/redis-arena.ts'
import { Servers } from '../helpers/servers.ts'
import { CLUSTER_CLIENTS } from './clients.ts'

let servers: Servers
let urls: string[]
const closing: (() => void)[] = []

before(async () => {
  servers = await Servers.start('redis-cluster')
  urls = servers.addressOf('redis-cluster').split(',')
})
after(async () => {
  for (const close of closing) close()
  await servers.close()
})

async function open(name: string): Promise<Engine> {
  const { client, close } = await CLUSTER_CLIENTS[name]!(urls.join(','))
  closing.push(close)
  return redis({ client })
}

describe('a Redis Cluster', () => {
  test('locks on all its masters pass between clients, in order; they are listed and stolen', async () => {
    const [a, b] = [await open('redis 6'), await open('ioredis 6')]
    const names = Array.from({ length: 12 }, (_, index) => `lock ${index}`)
    const order: string[] = []
    const held = await Promise.all(names.map((name) => slocket(name, { engine: a })))
    const waiting = names.map(async (name, index) => {
      await slocket.with(name, { engine: index % 2 === 0 ? a : b }, () => void order.push(name))
    })
    for (const name of names) {
      await until('it waits', async () => (await slocket.query(name, { engine: b })).pending.length === 1)
    }
    for (const engine of [a, b]) {
      const { pending } = await new LockManager({ engine }).query()
      assert.deepEqual(pending.map(({ name }) => name).sort(), [...names].sort())
    }
    for (const lock of held) await lock.release()
    await Promise.all(waiting)
    assert.deepEqual([...order].sort(), [...names].sort())
    let onHeld = (): void => {}
    const isHeld = new Promise<void>((resolve) => (onHeld = resolve))
    const victim = new LockManager({ engine: b }).request('stolen', async () => {
      onHeld()
      await new Promise(() => undefined)
    })
    const outcome = victim.then(
      () => 'kept',
      (error: Error) => error.name,
    )
    await isHeld
    await new LockManager({ engine: a }).request('stolen', { steal: true }, () => undefined)
    assert.equal(await outcome, 'AbortError')
  })

  for (const name of Object.keys(CLUSTER_CLIENTS)) {
    test(`${name}: a lock passes between it and another client`, async () => {
      const [engine, other] = [await open(name), await open('redis 6')]
      const resource = `passing ${name}`
      const first = await slocket(resource, { engine })
      const next = slocket(resource, { engine: other })
      await until('it waits', async () => (await slocket.query(resource, { engine })).pending.length === 1)
      const last = slocket(resource, { engine })
      await first.release()
      await (await next).release()
      await (await last).release()
    })
  }

  for (const name of Object.keys(CLUSTER_CLIENTS)) {
    test(`${name}: it is notified though the end of its last subscription is answered late`, async () => {
      const { client, close } = await CLUSTER_CLIENTS[name]!(urls.join(','))
      closing.push(close)
      const namespace = `late-${randomBytes(6).toString('hex')}`
      const engine = redis({ client, namespace })
      const admins = urls.map((url) => new Admin(url))
      closing.push(() => void admins.map((admin) => admin[Symbol.asyncDispose]()))
      const countChannels = async (admin: Admin): Promise<number> => {
        return ((await admin.ask('PUBSUB', 'CHANNELS', `${namespace}:wake:*`)) as unknown[]).length
      }
      const first = await slocket('first', { engine, linger: 0 })
      const hearing = await until('one server has its channel', async () => {
        const counts = await Promise.all(admins.map(countChannels))
        return admins[counts.indexOf(1)]
      })
      const isElsewhere = async (lock: string): Promise<boolean> => {
        return await hearing.ask('EXISTS', keysOf(namespace, lock)[0]!).then(
          () => false,
          (error: Error) => error.message.startsWith('MOVED'),
        )
      }
      let elsewhere = 'lock'
      while (!(await isElsewhere(elsewhere))) elsewhere += '+'
      const second = await slocket(elsewhere, { engine, linger: 0 })
      await first.release()
      await hearing.ask('CLIENT', 'PAUSE', '1000', 'ALL')
      await second.release()
      await sleep(50)
      const third = await slocket(elsewhere, { engine, linger: 0 })
      await sleep(1200)
      await until('it has subscribed again', async () => {
        const counts = await Promise.all(admins.map(countChannels))
        return counts.includes(1)
      })
      await third.release()
    })
  }

  test('a client that is not for clusters is an error that says so', async () => {
    const engines = await Promise.all(
      urls.map(async (url) => {
        const client = createClient({ url })
        await client.connect()
        closing.push(() => client.destroy())
        return redis({ client })
      }),
    )
    // Each server has a third of the locks.
    const asked = await Promise.allSettled(engines.map((engine) => slocket.try('misplaced', { engine })))
    const failures = asked.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason as Error] : []))
    assert.equal(failures.length, 2)
    for (const { message } of failures) assert.match(message, /MOVED.*createCluster/)
  })

  test('the option replicas needs ordered commands, which a Cluster of ioredis does not provide', async () => {
    const nodes = urls.map((url) => ({ host: new URL(url).hostname, port: Number(new URL(url).port) }))
    const client = new Cluster(nodes)
    closing.push(() => client.disconnect())
    await assert.rejects(slocket('counted', { engine: redis({ client, replicas: 1 }) }), {
      code: 'ERR_SLOCKET_SYSTEM',
      message: /createCluster/,
    })
  })
})
