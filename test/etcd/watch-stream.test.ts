// The watches of one engine, on streams that a test opens, answers and breaks.
import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import { describe, test } from 'node:test'
import type { EtcdClient } from '../../src/engines/etcd/client.ts'
import type { WatchRequest } from '../../src/engines/etcd/protocol.ts'
import { WatchStream } from '../../src/engines/etcd/watch-stream.ts'
import { turn } from '../../src/testing/random.ts'

class FakeStream extends EventEmitter {
  readonly written: WatchRequest[] = []

  write(request: WatchRequest): void {
    this.written.push(request)
  }

  cancel(): void {
    // What was read before is still on its way.
  }
}

interface Scene {
  readonly watches: WatchStream
  readonly streams: FakeStream[]
  /** The events that the watchers got, as KEY WHAT. */
  readonly told: string[]
  watch(key: string): () => void
}

function openScene(): Scene {
  const streams: FakeStream[] = []
  const told: string[] = []
  const openStream = (): Promise<FakeStream> => {
    const stream = new FakeStream()
    streams.push(stream)
    return Promise.resolve(stream)
  }
  const watches = new WatchStream({ openStream, onMoved: () => undefined } as unknown as EtcdClient)
  const watch = (key: string): (() => void) =>
    watches.watch(key, 'all', {
      onCreated: () => told.push(`${key} created`),
      onEvent: () => told.push(`${key} event`),
      onBroken: () => told.push(`${key} broken`),
    })
  return { watches, streams, told, watch }
}

describe('watches in etcd', () => {
  test('are numbered from 0 on each stream, as a grpc-proxy counts them', async () => {
    const { streams, watch } = openScene()
    for (const key of ['a', 'b']) watch(key)
    watch('c')()
    await turn()
    streams[0]!.emit('error', new Error('broken'))
    await turn()
    for (const key of ['d', 'e']) watch(key)
    await turn()
    const creates = streams.map(({ written }) =>
      written.flatMap(({ create }) => (create === undefined ? [] : [`${create.key} ${create.watchId}`])),
    )
    assert.deepEqual(creates, [
      ['a 0', 'b 1', 'c 2'],
      ['d 0', 'e 1'],
    ])
  })

  test('get only events of their own stream: nothing of an earlier one, whose end stops nothing here', async () => {
    const { streams, told, watch } = openScene()
    const stop = watch('a')
    watch('b')
    await turn()
    streams[0]!.emit('error', new Error('broken'))
    await turn()
    watch('c')
    await turn()
    // The one that broke has still something to say.
    streams[0]!.emit('data', { watchId: '0', events: [{ type: 1 }] })
    streams[0]!.emit('data', { watchId: '0', canceled: true })
    streams[0]!.emit('end')
    stop()
    await turn()
    assert.deepEqual(told, [])
    streams[1]!.emit('data', { watchId: '0', created: true })
    streams[1]!.emit('data', { events: [{ type: 1 }] })
    assert.deepEqual(told, ['c created', 'c event'])
  })
})
