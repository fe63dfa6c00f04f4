/**
 * All watches of one engine, on one stream. A watch reports what happens from its creation on, never the past: etcd serves a watch from the
 * past by a loop that runs every 100 ms (measured). So a ticket that watches looks again once the watch is created.
 *
 * The watches of a stream are numbered from 0, in the order in which they are created. etcd takes these numbers; `etcd grpc-proxy` ignores them and
 * counts in the same way (server/proxy/grpcproxy/watch.go).
 *
 * When the stream breaks, all watches are over, and each watcher is notified a moment later. A watcher that still needs a watch asks again.
 */
import { debug } from '../../debug.ts'
import type { EtcdClient } from './client.ts'
import { IS_DELETED, NO_PUTS } from './protocol.ts'
import type { WatchRequest, WatchResponse } from './protocol.ts'
import { statusOf } from './refusal.ts'
import { setTimeout } from '../../real-time.ts'

/** The pause before the watchers are notified whose watches broke: they will ask again. */
const PAUSE_MS = 100

export interface Watcher {
  /** Called when the watch is created: from now on nothing is missed. */
  onCreated(): void
  onEvent(isDeleted: boolean): void
  /** Called when the watch is over without having been stopped. */
  onBroken(): void
}

type Stream = Awaited<ReturnType<EtcdClient['openStream']>>

export class WatchStream {
  readonly #client: EtcdClient
  /** By their numbers on the current stream. */
  readonly #watchers = new Map<string, Watcher>()
  #nextId = 0
  #stream: Promise<Stream> | undefined
  /** The same stream, once something was sent on it. */
  #current: Stream | undefined
  /** How many tries have failed since the last stream that could be opened. */
  #failures = 0

  constructor(client: EtcdClient) {
    this.#client = client
    client.onMoved(() => this.#break('the connection was given up'))
  }

  /** Watches one key. Returns a function that stops it. */
  watch(key: string, kinds: 'deletions' | 'all', watcher: Watcher): () => void {
    const watchId = String(this.#nextId)
    this.#nextId += 1
    this.#watchers.set(watchId, watcher)
    this.#send({ create: { key, watchId, ...(kinds === 'deletions' ? { filters: [NO_PUTS] } : {}) } })
    return () => {
      // On another stream, the number belongs to another watch.
      if (this.#watchers.get(watchId) !== watcher) return
      this.#watchers.delete(watchId)
      if (this.#watchers.size > 0) this.#send({ cancel: { watchId } })
      else this.#break('nobody watches')
    }
  }

  #send(request: WatchRequest): void {
    this.#stream ??= this.#open()
    const stream = this.#stream
    stream.then(
      (opened) => this.#stream === stream && this.#write(opened, request),
      (error: unknown) => this.#stream === stream && this.#break(error),
    )
  }

  #write(stream: Stream, request: WatchRequest): void {
    this.#current = stream
    stream.write(request)
  }

  async #open(): Promise<Stream> {
    const tries = this.#failures
    this.#failures += 1
    const stream = await this.#client.openStream('Watch', tries)
    this.#failures = 0
    const onEnd = (reason: unknown): void => {
      void this.#stream?.then(
        (current) => current === stream && this.#break(reason),
        () => undefined,
      )
    }
    stream.on('data', (response: WatchResponse) => this.#current === stream && this.#onResponse(response))
    stream.on('error', onEnd)
    stream.on('end', () => onEnd('the server has ended it'))
    return stream
  }

  #onResponse({ watchId = '0', created, canceled, cancelReason, events = [] }: WatchResponse): void {
    const watcher = this.#watchers.get(watchId)
    if (canceled === true) {
      // A watch that is refused at once has no id by which it could be found.
      if (watcher === undefined && created !== true) return
      // Perhaps the token is too old: the next stream has a new one.
      this.#client.dropToken()
      return this.#break(cancelReason ?? 'a watch was cancelled')
    }
    if (created === true) watcher?.onCreated()
    for (const { type = 0 } of events) watcher?.onEvent(type === IS_DELETED)
  }

  #break(reason: unknown): void {
    const stream = this.#stream
    if (stream === undefined) return
    this.#stream = undefined
    this.#current = undefined
    this.#nextId = 0
    stream.then(
      (opened) => opened.cancel(),
      () => undefined,
    )
    const broken = [...this.#watchers.values()]
    this.#watchers.clear()
    if (broken.length === 0) return
    debug('%d watches broke: %s', broken.length, reason instanceof Error ? statusOf(reason).details : reason)
    setTimeout(() => {
      for (const watcher of broken) watcher.onBroken()
    }, PAUSE_MS).unref()
  }
}
