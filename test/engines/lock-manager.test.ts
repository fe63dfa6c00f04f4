// Named locks as browsers have them, on servers.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, test } from 'node:test'
import { etcd } from '../../src/engines/etcd/index.ts'
import { postgres } from '../../src/engines/postgres/index.ts'
import { redis } from '../../src/engines/redis/index.ts'
import type { Engine } from '../../src/index.ts'
import { LockManager, slocket } from '../../src/index.ts'
import { until } from '../helpers/until.ts'
import { addressOf } from './helpers/servers.ts'

const namespace = `lock-manager-${randomBytes(6).toString('hex')}`
const openers: readonly (readonly [string, () => Engine])[] = [
  ['etcd', () => etcd({ endpoints: addressOf('etcd').split(','), namespace })],
  ['postgres', () => postgres({ connectionString: addressOf('postgres'), namespace })],
  ['redis', () => redis({ url: addressOf('redis'), namespace })],
]

const isNotSupported = (error: unknown): boolean => error instanceof DOMException && error.name === 'NotSupportedError'

for (const [kind, open] of openers) {
  describe(`new LockManager({ engine }) of ${kind}`, () => {
    const [one, other] = [new LockManager({ engine: open() }), new LockManager({ engine: open() })]

    test('grants named locks in order among all clients, and they are those of slocket(name)', async () => {
      const served: string[] = []
      const engine = open()
      let waiting: Promise<unknown> | undefined
      await one.request('a', async (lock) => {
        assert.equal(lock.name, 'a')
        assert.equal(await other.request('a', { ifAvailable: true }, (none) => none), null)
        waiting = other.request('a', { mode: 'shared' }, () => void served.push('second'))
        await until('it waits', async () => (await slocket.query('a', { engine })).pending.length === 1)
        served.push('first')
      })
      await waiting
      assert.deepEqual(served, ['first', 'second'])
    })

    test('cancels a request by its signal', async () => {
      const controller = new AbortController()
      const engine = open()
      await one.request('b', async () => {
        const waiting = other.request('b', { signal: controller.signal }, () => assert.fail())
        const rejected = assert.rejects(waiting, (error) => error === 'cancelled')
        await until('it waits', async () => (await slocket.query('b', { engine })).pending.length === 1)
        controller.abort('cancelled')
        await rejected
      })
    })
  })
}

test('new LockManager({ engine }) of etcd shows all locks, and steals', async () => {
  const [one, other] = [new LockManager({ engine: openers[0]![1]() }), new LockManager({ engine: openers[0]![1]() })]
  let reportHeld = (): void => {}
  const held = new Promise<void>((resolve) => (reportHeld = resolve))
  const victim = one.request('c', async () => {
    reportHeld()
    await new Promise(() => {})
  })
  let told: unknown
  victim.catch((error: unknown) => (told = error))
  await held
  const { held: shown } = await other.query()
  assert.ok(shown.some(({ name, mode }) => name === 'c' && mode === 'exclusive'))
  await other.request('c', { steal: true }, (lock) => assert.equal(lock.name, 'c'))
  // Neither a held lock nor a subscription keeps the process alive.
  await until('the victim is notified', () => told !== undefined)
  assert.ok(told instanceof DOMException && told.name === 'AbortError')
})

test('new LockManager({ engine }) of PostgreSQL shows all locks with visible names, and reports that it cannot steal', async () => {
  const manager = new LockManager({ engine: openers[1]![1]() })
  await manager.request('e', async () => {
    assert.deepEqual(
      (await manager.query()).held.map(({ name }) => name),
      ['e'],
    )
  })
  await assert.rejects(
    manager.request('d', { steal: true }, () => assert.fail()),
    isNotSupported,
  )
})
