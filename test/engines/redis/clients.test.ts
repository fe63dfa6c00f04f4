// Each client that the engine takes: the same locks, whichever it is.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, test } from 'node:test'
import { redis } from '../../../src/engines/redis/index.ts'
import { slocket, LockManager } from '../../../src/index.ts'
import type { Engine } from '../../../src/index.ts'
import { until } from '../../helpers/until.ts'
import { addressOf } from '../helpers/servers.ts'
import { CLIENTS } from './clients.ts'

const url = addressOf('redis')
const namespace = `clients-${randomBytes(6).toString('hex')}`

describe('clients of Redis', { concurrency: true }, () => {
  for (const name of [...Object.keys(CLIENTS), 'a URL']) {
    test(`${name}: locks pass between it and another client in the order of the requests, and are shared`, async () => {
      const own = name === 'a URL' ? undefined : await CLIENTS[name]!(url)
      const engine = own === undefined ? redis({ url, namespace }) : redis({ client: own.client, namespace })
      const other = redis({ url, namespace })
      const resource = `passing ${name}`
      const first = await slocket(resource, { engine })
      const order: string[] = []
      const waiting = []
      for (const [index, asker] of [other, engine, other].entries()) {
        waiting.push(slocket.with(resource, { engine: asker }, () => void order.push(String(index))))
        await until('it waits', async () => (await slocket.query(resource, { engine })).pending.length === index + 1)
      }
      const snapshot = await slocket.query(resource, { engine })
      assert.deepEqual(
        [...snapshot.held, ...snapshot.pending].map(({ self }) => self),
        [true, false, true, false],
      )
      assert.equal(await slocket.try(resource, { engine: other }), null)
      await first.release()
      await Promise.all(waiting)
      assert.deepEqual(order, ['0', '1', '2'])
      own?.close()
    })

    test(`${name}: victims are notified of a thief, and all locks are listed`, async () => {
      const own = name === 'a URL' ? undefined : await CLIENTS[name]!(url)
      const apart = `${namespace}-${name.replaceAll(' ', '-')}`
      const engine =
        own === undefined ? redis({ url, namespace: apart }) : redis({ client: own.client, namespace: apart })
      const manager = new LockManager({ engine })
      const thief = new LockManager({ engine: redis({ url, namespace: apart }) })
      let onHeld: (() => void) | undefined
      const isHeld = new Promise<void>((resolve) => (onHeld = resolve))
      const victim = manager.request('stolen', async () => {
        onHeld!()
        await new Promise(() => undefined)
      })
      const outcome = victim.then(
        () => 'kept',
        (error: Error) => error.name,
      )
      await isHeld
      assert.deepEqual(
        (await manager.query()).held?.map((held) => held.name),
        ['stolen'],
      )
      await thief.request('stolen', { steal: true }, () => undefined)
      assert.equal(await outcome, 'AbortError')
      assert.deepEqual(await manager.query(), { held: [], pending: [] })
      own?.close()
    })
  }

  test('a client that is not connected is named in the error, at once', async () => {
    const { client, close } = await CLIENTS['redis 6']!(url)
    close()
    await assert.rejects(slocket('closed', { engine: redis({ client, namespace }) }), {
      code: 'ERR_SLOCKET_UNREACHABLE',
      message: /connect\(\)/,
    })
  })

  test('only the last token stays on the server, for a day', async () => {
    const { client, close } = await CLIENTS['ioredis 6']!(url)
    const engine: Engine = redis({ client, namespace: `${namespace}-litter` })
    await Promise.all([1, 2, 3].map(() => slocket.with('litter', { engine }, () => undefined)))
    const { call } = client as unknown as { call(...parts: string[]): Promise<unknown> }
    const ask = call.bind(client)
    const keys = (await ask('KEYS', `${namespace}-litter*`)) as string[]
    assert.deepEqual(keys, [`${namespace}-litter:{litter}:token`])
    const seconds = (await ask('TTL', keys[0]!)) as number
    assert.ok(seconds > 86_000 && seconds <= 86_400, String(seconds))
    close()
  })
})
