import assert from 'node:assert/strict'
import { test } from 'node:test'
import { etcd } from '../../../src/engines/etcd/index.ts'
import { slocket } from '../../../src/index.ts'
import { pass } from '../../helpers/until.ts'
import { EtcdGrpcProxy } from '../helpers/etcd-grpc-proxy.ts'
import { addressOf } from '../helpers/servers.ts'
import { TcpProxy } from '../helpers/tcp-proxy.ts'

test('a connection to etcd grpc-proxy lasts: the proxy would end one with pings at the third ping', async () => {
  await using proxy = await EtcdGrpcProxy.open(addressOf('etcd'))
  await using between = await TcpProxy.open(proxy.address)
  const lock = await slocket('long', { engine: etcd({ endpoints: between.address }) })
  const { opened } = between
  await pass(45_000)
  assert.equal(between.opened, opened)
  await lock.release()
})
