import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { loadBy, loadGrpc } from '../../src/engines/etcd/load-grpc.ts'
import { SERVICE_OF } from '../../src/engines/etcd/protocol.ts'
import { isSlocketError } from '../../src/index.ts'

describe('the packages of the etcd engine', () => {
  for (const missing of ['@grpc/grpc-js', '@grpc/proto-loader']) {
    test(`without ${missing}, an error says what to install`, async () => {
      const load = (name: string): Promise<unknown> =>
        name === missing ? import(`${name}-that-is-missing`) : import(name)
      await assert.rejects(loadBy(load), (error: Error) => {
        assert.ok(isSlocketError(error, 'ERR_SLOCKET_NO_CLIENT'))
        assert.match(error.message, /npm install @grpc\/grpc-js @grpc\/proto-loader/)
        return true
      })
    })
  }

  for (const message of [
    'Dynamic require of "@grpc/grpc-js" is not supported',
    'Could not dynamically require "@grpc/grpc-js". Please configure the dynamicRequireTargets',
    'Could not resolve "@grpc/grpc-js" imported by "slocket". Is it installed?',
    'require is not defined in ES module scope, you can use import instead',
  ]) {
    test(`in a bundle made without them, an error says to install them and to build again: ${message}`, async () => {
      await assert.rejects(
        loadBy(() => Promise.reject(new Error(message))),
        (error: Error) =>
          isSlocketError(error, 'ERR_SLOCKET_NO_CLIENT') && /build this bundle again/.test(error.message),
      )
    })
  }

  test('another failure to load them is passed on', async () => {
    const failure = new Error('broken')
    await assert.rejects(
      loadBy(() => Promise.reject(failure)),
      (error) => error === failure,
    )
  })

  test('the protocol description has all methods, and messages survive encoding and decoding', async () => {
    const { methods } = await loadGrpc()
    assert.deepEqual([...methods.keys()], [...SERVICE_OF.keys()])
    const txn = methods.get('Txn')!
    assert.equal(txn.path, '/etcdserverpb.KV/Txn')
    const asked = { compare: [{ key: 'ä', target: 1, result: 0, createRevision: '9007199254740993' }] }
    const read = txn.requestDeserialize(txn.requestSerialize(asked)) as {
      compare: { createRevision: string; key: string }[]
    }
    assert.equal(read.compare[0]!.createRevision, '9007199254740993')
    assert.equal(read.compare[0]!.key, 'ä')
  })

  test('the bytes are those that etcd expects', async () => {
    const { methods } = await loadGrpc()
    const bytes = (method: string, request: object): string =>
      methods.get(method)!.requestSerialize(request).toString('hex')
    // Made with `protoc --encode` of etcd's rpc.proto: field number and wire type, then the value.
    assert.equal(bytes('DeleteRange', { key: 'k' }), '0a016b')
    assert.equal(bytes('LeaseGrant', { ttl: 10 }), '080a')
    assert.equal(bytes('Watch', { create: { key: 'k', watchId: '5' } }), '0a050a016b3805')
    assert.equal(bytes('Watch', { cancel: { watchId: '5' } }), '12020805')
    assert.equal(bytes('Txn', { success: [{ put: { key: 'k', lease: '3' } }] }), '120712050a016b1803')
  })
})
