// Many requests of one process for one lock: what each of them costs does not grow with the queue.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, test } from 'node:test'
import { EtcdClient } from '../../../src/engines/etcd/client.ts'
import { etcd } from '../../../src/engines/etcd/index.ts'
import type { TxnRequest, TxnResponse } from '../../../src/engines/etcd/protocol.ts'
import { slocket } from '../../../src/index.ts'
import { until } from '../../helpers/until.ts'
import { addressOf } from '../helpers/servers.ts'

const CROWD = 60
/** Of both listings, by which it joins and by which it looks again once it watches. */
const MOST_KEYS = 10

describe('alternating shared and exclusive requests for a lock in etcd', () => {
  test('read only a few keys each, however many wait ahead', async (context) => {
    let joined = 0
    let keys = 0
    const { ask } = EtcdClient.prototype as unknown as {
      ask(method: string, request: object, ...rest: unknown[]): Promise<object | undefined>
    }
    const counted = async function (this: EtcdClient, ...asked: Parameters<typeof ask>): Promise<object | undefined> {
      const answer = await ask.apply(this, asked)
      if (asked[0] !== 'Txn') return answer
      if ((asked[1] as TxnRequest).success[0]?.put !== undefined) joined += 1
      for (const { range } of (answer as TxnResponse | undefined)?.responses ?? []) keys += range?.kvs?.length ?? 0
      return answer
    }
    context.mock.method(EtcdClient.prototype, 'ask', counted as never)
    const engine = etcd({ endpoints: addressOf('etcd') })
    const name = `crowd-${randomBytes(6).toString('hex')}`
    const holder = await slocket(name, { engine })
    const served: number[] = []
    const asked = Array.from({ length: CROWD }, async (_, index) => {
      const lock = await slocket(name, { engine, mode: index % 2 === 0 ? 'shared' : 'exclusive' })
      served.push(index)
      await lock.release()
    })
    await until('all of them have joined', () => joined === CROWD + 1)
    await holder.release()
    await Promise.all(asked)
    assert.deepEqual(
      served,
      asked.map((_, index) => index),
    )
    assert.ok(keys > CROWD && keys < MOST_KEYS * CROWD, `${keys} keys`)
  })
})
