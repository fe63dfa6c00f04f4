// One request over a stream of its own, as leases are renewed: on a server in this process that answers as a test has it.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as grpc from '@grpc/grpc-js'
import { Connection } from '../../src/engines/etcd/connection.ts'
import type { LoadedGrpc } from '../../src/engines/etcd/load-grpc.ts'
import { loadGrpc } from '../../src/engines/etcd/load-grpc.ts'
import { turn } from '../../src/testing/random.ts'
import { until } from '../helpers/until.ts'

type RenewalStream = grpc.ServerDuplexStream<{ id: string }, { id: string; ttl: string }>

class FakeEtcd implements AsyncDisposable {
  /** All that have come, those that have ended too. */
  readonly streams: RenewalStream[] = []
  /** How many have neither ended nor been cancelled. */
  open = 0
  requests = 0
  readonly #server: grpc.Server
  readonly #connections: Connection[] = []
  readonly #loaded: LoadedGrpc
  readonly #port: number

  private constructor(server: grpc.Server, loaded: LoadedGrpc, port: number) {
    this.#server = server
    this.#loaded = loaded
    this.#port = port
  }

  /** @param onRequest called for each request; and when the client has closed its side. */
  static async start(
    onRequest: (stream: RenewalStream, index: number) => void,
    onHalfClosed: (stream: RenewalStream) => void = (stream) => stream.end(),
  ): Promise<FakeEtcd> {
    const loaded = await loadGrpc()
    const server = new grpc.Server()
    const port = await new Promise<number>((resolve, reject) => {
      server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, bound) =>
        error === null ? resolve(bound) : reject(error),
      )
    })
    const fake = new FakeEtcd(server, loaded, port)
    const renew = (stream: RenewalStream): void => {
      const index = fake.streams.push(stream) - 1
      fake.open += 1
      let isOpen = true
      const close = (): void => {
        if (isOpen) fake.open -= 1
        isOpen = false
      }
      stream.on('data', () => {
        fake.requests += 1
        onRequest(stream, index)
      })
      stream.on('end', () => {
        close()
        onHalfClosed(stream)
      })
      stream.on('cancelled', close)
      stream.on('error', close)
    }
    server.addService({ renew: loaded.methods.get('LeaseKeepAlive')! }, { renew })
    return fake
  }

  connect(): Connection {
    const connection = new Connection(this.#loaded, `127.0.0.1:${this.#port}`, undefined)
    this.#connections.push(connection)
    return connection
  }

  async renew(connection: Connection, limitMs: number): Promise<{ ttl: string }> {
    const metadata = new grpc.Metadata()
    return (await connection.callByStream({ method: 'LeaseKeepAlive', request: { id: '7' }, metadata, limitMs })) as {
      ttl: string
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const connection of this.#connections) connection.close()
    this.#server.forceShutdown()
    await turn()
  }
}

const LONG_MS = 60_000
const answer = (stream: RenewalStream, ttl: string): boolean => stream.write({ id: '7', ttl })

describe('a renewal in etcd', () => {
  test('works with a server that answers only while the stream is open', async () => {
    let isHalfClosed = false
    await using etcd = await FakeEtcd.start(
      // What a client that closes its side at once has sent by then is there, too.
      (stream) => setTimeout(() => isHalfClosed || answer(stream, '10'), 50),
      (stream) => {
        isHalfClosed = true
        stream.end()
      },
    )
    assert.deepEqual((await etcd.renew(etcd.connect(), LONG_MS)).ttl, '10')
  })

  test('leaves no stream, whether it is answered or not, even if the server does not end its side', async () => {
    await using etcd = await FakeEtcd.start(
      (stream, index) => index === 0 && answer(stream, '10'),
      () => undefined,
    )
    const connection = etcd.connect()
    await etcd.renew(connection, 1000)
    await assert.rejects(etcd.renew(connection, 100), /no answer within 100 ms/)
    await until('both are gone', () => etcd.streams.length === 2 && etcd.streams.every(({ cancelled }) => cancelled))
    assert.equal(etcd.open, 0)
  })

  test('does not mistake a late answer to an earlier one for its own, and ignores a second answer', async () => {
    await using etcd = await FakeEtcd.start((stream, index) => {
      if (index !== 1) return
      // Both at once.
      answer(etcd.streams[0]!, '1')
      answer(stream, '10')
      answer(stream, '2')
    })
    const connection = etcd.connect()
    await assert.rejects(etcd.renew(connection, 100), /no answer/)
    assert.equal((await etcd.renew(connection, LONG_MS)).ttl, '10')
    const third = etcd.renew(connection, LONG_MS)
    await until('it has come', () => etcd.requests === 3)
    answer(etcd.streams[2]!, '5')
    assert.equal((await third).ttl, '5')
  })
})
