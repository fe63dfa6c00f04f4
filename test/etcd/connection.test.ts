// A connection to etcd that is given up by one call while another one is about to use it.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as grpc from '@grpc/grpc-js'
import { Connection } from '../../src/engines/etcd/connection.ts'
import { loadGrpc } from '../../src/engines/etcd/load-grpc.ts'
import { meaningOf } from '../../src/engines/etcd/refusal.ts'

test('a call whose connection is given up at the last moment counts as unanswered, and is repeated', async () => {
  const loaded = await loadGrpc()
  const server = new grpc.Server()
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    )
  })
  const connection = new Connection(loaded, `127.0.0.1:${port}`, undefined)
  const call = { method: 'Range', request: { key: 'a' }, metadata: new grpc.Metadata(), limitMs: 10_000 }
  // The server knows no such call. From then on, the connection is ready.
  await assert.rejects(connection.call(call), { code: grpc.status.UNIMPLEMENTED })
  const calls = [connection.call(call), connection.callByStream({ ...call, method: 'LeaseKeepAlive' })]
  connection.close()
  for (const late of calls) await assert.rejects(late, (error) => meaningOf(error) === 'unanswered')
  server.forceShutdown()
})
