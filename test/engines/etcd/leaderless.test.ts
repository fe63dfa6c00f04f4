import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { etcd } from '../../../src/engines/etcd/index.ts'
import { slocket } from '../../../src/index.ts'
import { until } from '../../helpers/until.ts'
import { GrpcProxy } from '../helpers/grpc-proxy.ts'
import { addressOf } from '../helpers/servers.ts'

test('a watch in etcd ends, and is not just silent, if its member has no leader', async () => {
  await using proxy = await GrpcProxy.open(addressOf('etcd'))
  const lock = await slocket(`leaderless-${randomBytes(6).toString('hex')}`, {
    engine: etcd({ endpoints: proxy.address }),
  })
  await until('its session is watched', () => proxy.streams.length > 0)
  for (const metadata of proxy.streams) assert.deepEqual(metadata.get('hasleader'), ['true'])
  await lock.release()
})
