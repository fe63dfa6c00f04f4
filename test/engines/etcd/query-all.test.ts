// More tickets than are asked for at once, and a server that forgets the past between two pages of them.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import { EtcdClient } from '../../../src/engines/etcd/client.ts'
import { etcd } from '../../../src/engines/etcd/index.ts'
import { EXCLUSIVE } from '../../../src/core/claim.ts'
import { queuePrefix, ticketKey } from '../../../src/engines/etcd/keys.ts'
import { parseEtcdOptions } from '../../../src/engines/etcd/options.ts'
import { etcdctl } from '../helpers/etcd-cluster.ts'
import { GrpcProxy } from '../helpers/grpc-proxy.ts'
import { addressOf } from '../helpers/servers.ts'

const COUNT = 1200
const endpoint = addressOf('etcd')
const namespace = `query-all-${randomBytes(6).toString('hex')}`
const names = Array.from({ length: COUNT }, (_, index) => `lock-${index}`).sort()

before(async () => {
  const client = new EtcdClient(parseEtcdOptions({ endpoints: endpoint }))
  const put = (name: string): Promise<unknown> =>
    client.ask('Put', { key: ticketKey(queuePrefix(namespace, name), EXCLUSIVE, false, '1', 1), value: '{}' })
  await Promise.all(names.map(put))
})
after(() => etcdctl(endpoint, 'del', `${namespace}/`, '--prefix'))

describe('a query of all locks in etcd, more than one page', () => {
  // Begun anew after one compaction, and asked for at once where each time one comes in between.
  for (const [compactions, requests] of [
    [0, 2],
    [1, 4],
    [Infinity, 7],
  ] as const) {
    test(`is complete even if the server compacts between pages, ${compactions} times`, async () => {
      await using proxy = await GrpcProxy.open(endpoint)
      let asked = 0
      let left: number = compactions
      proxy.beforeRange = async () => {
        asked += 1
        if (asked % 2 === 1 || left === 0) return
        left -= 1
        await compact()
      }
      const engine = etcd({ endpoints: proxy.address, namespace })
      const snapshots = await engine.queryAll!()
      assert.deepEqual([...snapshots.keys()].sort(), names)
      // More if one had no answer in time, and was repeated.
      assert.ok(asked >= requests, `${asked} requests`)
    })
  }
})

/** Everything before now is forgotten. */
async function compact(): Promise<void> {
  const written = await etcdctl(endpoint, 'put', `${namespace}/now`, '1', '-w', 'json')
  const revision = /"revision":(\d+)/.exec(written)![1]!
  await etcdctl(endpoint, 'compaction', revision).catch((error: unknown) => {
    // Another test may have written, and compacted, meanwhile.
    if (!String(error).includes('has been compacted')) throw error
  })
}
