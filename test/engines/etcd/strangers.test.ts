// Keys that are no tickets, below a queue's prefix: somebody put them there, or a namespace that lies inside of another.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, test } from 'node:test'
import { etcd } from '../../../src/engines/etcd/index.ts'
import { slocket } from '../../../src/index.ts'
import type { SlocketOptions } from '../../../src/index.ts'
import { etcdctl } from '../helpers/etcd-cluster.ts'
import { addressOf } from '../helpers/servers.ts'

const endpoint = addressOf('etcd')

describe('keys in a queue in etcd that are not tickets', () => {
  test('neither hold nor hide a holder', async () => {
    const namespace = `strangers-${randomBytes(6).toString('hex')}`
    const [one, two] = [etcd({ endpoints: endpoint, namespace }), etcd({ endpoints: endpoint, namespace })]
    const queue = `${namespace}/q/${Buffer.from('deploy').toString('base64url')}/t`
    for (const claim of [{}, { permits: 1 }, { mode: 'shared' }] satisfies readonly SlocketOptions[]) {
      const holder = await slocket('deploy', { engine: one, ...('mode' in claim ? {} : claim) })
      for (const key of ['strange', 'x-strange', 'p1-strange']) await etcdctl(endpoint, 'put', `${queue}/${key}`, '1')
      assert.equal(await slocket.try('deploy', { engine: two, ...claim }), null)
      await holder.release()
      await (await slocket('deploy', { engine: two, ...claim })).release()
      await etcdctl(endpoint, 'del', queue, '--prefix')
    }
  })

  test('may be those of an inner namespace', async () => {
    const namespace = `strangers-${randomBytes(6).toString('hex')}`
    const [one, two] = [etcd({ endpoints: endpoint, namespace }), etcd({ endpoints: endpoint, namespace })]
    const queue = `${namespace}/q/${Buffer.from('deploy').toString('base64url')}/t`
    const inside = etcd({ endpoints: endpoint, namespace: queue })
    const holder = await slocket('deploy', { engine: one })
    const other = await slocket('deploy', { engine: inside })
    assert.equal(await slocket.try('deploy', { engine: two }), null)
    await holder.release()
    await other.release()
  })
})
