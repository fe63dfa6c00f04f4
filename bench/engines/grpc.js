// Bare calls of etcd: a client of @grpc/grpc-js, and only the messages that are needed here.
import grpc from '@grpc/grpc-js'
import protobuf from 'protobufjs'

const { root } = protobuf.parse(`
  syntax = "proto3";
  message GrantRequest { int64 ttl = 1; int64 id = 2; }
  message GrantResponse { int64 id = 2; int64 ttl = 3; }
  message KeepAlive { int64 id = 1; }
  message Put { bytes key = 1; bytes value = 2; int64 lease = 3; }
  message Range { bytes key = 1; bytes range_end = 2; int64 limit = 3; }
  message Delete { bytes key = 1; }
  message Compare { int32 result = 1; int32 target = 2; bytes key = 3; int64 create_revision = 5; }
  message Operation { oneof request { Range range = 1; Put put = 2; Delete delete = 3; } }
  message Txn { repeated Compare compare = 1; repeated Operation success = 2; repeated Operation failure = 3; }
  message Lock { bytes name = 1; int64 lease = 2; }
  message Locked { bytes key = 2; }
  message Unlock { bytes key = 1; }
  message Anything {}
`)

const METHODS = {
  LeaseGrant: ['etcdserverpb.Lease', 'GrantRequest', 'GrantResponse'],
  LeaseKeepAlive: ['etcdserverpb.Lease', 'KeepAlive', 'Anything'],
  Txn: ['etcdserverpb.KV', 'Txn', 'Anything'],
  DeleteRange: ['etcdserverpb.KV', 'Delete', 'Anything'],
  Lock: ['v3lockpb.Lock', 'Lock', 'Locked'],
  Unlock: ['v3lockpb.Lock', 'Unlock', 'Anything'],
}

export class Etcd {
  #client

  constructor([endpoint]) {
    this.#client = new grpc.Client(new URL(endpoint).host, grpc.credentials.createInsecure())
  }

  async call(method, request) {
    const { path, encode, decode } = methodOf(method)
    return await new Promise((resolve, reject) => {
      this.#client.makeUnaryRequest(path, encode, decode, request, (error, answer) =>
        error === null ? resolve(answer) : reject(error),
      )
    })
  }

  /** A lease that is renewed three times per ttl until the process ends. */
  async lease(ttl) {
    const { id } = await this.call('LeaseGrant', { ttl })
    const { path, encode, decode } = methodOf('LeaseKeepAlive')
    const stream = this.#client.makeBidiStreamRequest(path, encode, decode)
    stream.on('data', () => {})
    stream.on('error', () => {})
    setInterval(() => stream.write({ id }), (ttl * 1000) / 3).unref()
    return id
  }

  close() {
    this.#client.close()
  }
}

function methodOf(method) {
  const [service, requestType, responseType] = METHODS[method]
  const request = root.lookupType(requestType)
  const response = root.lookupType(responseType)
  return {
    path: `/${service}/${method}`,
    encode: (message) => Buffer.from(request.encode(request.fromObject(message)).finish()),
    decode: (bytes) => response.decode(bytes),
  }
}
