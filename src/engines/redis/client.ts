/** The clients that the engine can use, behind one small interface: those of `redis` (node-redis), and of `ioredis` and its fork `iovalkey`. */
import { debug } from '../../debug.ts'
import { isError, SlocketError } from '../../errors.ts'

/** A client of `redis`, `ioredis` or `iovalkey`. */
export interface RedisClient {
  /** Both have it, with different parameters. */
  sendCommand(...parameters: never[]): unknown
  /** Both have it, with different parameters. */
  subscribe(...parameters: never[]): unknown
}

type Listener = (...values: never[]) => void

/** The methods that are used of all of them. */
interface Emitter {
  on(event: string, listener: Listener): unknown
  off(event: string, listener: Listener): unknown
}

export interface NodeRedis extends Emitter {
  readonly isOpen: boolean
  connect(): Promise<unknown>
  sendCommand(...parameters: readonly unknown[]): Promise<unknown>
  subscribe(channel: string, listener: (message: string) => void): Promise<unknown>
  unsubscribe(channel: string, listener: (message: string) => void): Promise<unknown>
  duplicate?(): NodeRedis
  /** The name in 5 and 6, and that in 4. */
  destroy?(): unknown
  disconnect?(): unknown
  unref?(): void
  /** Of a cluster. */
  readonly masters?: readonly { readonly client?: unknown }[]
  nodeClient?(node: unknown): NodeRedis | Promise<NodeRedis>
  /** Of a client for Sentinel. */
  acquire?(): unknown
  multi(): Pipeline
}

interface Pipeline {
  /** Its parameters depend on the kind of client. */
  addCommand(...parameters: readonly unknown[]): unknown
  execAsPipeline(): Promise<unknown[]>
}

export interface IoRedis extends Emitter {
  readonly status: string
  /** Not there until it has connected, and not of a cluster. */
  readonly stream?: { unref?(): void }
  connect(): Promise<unknown>
  call(command: string, ...parameters: readonly string[]): Promise<unknown>
  subscribe(channel: string): Promise<unknown>
  unsubscribe(channel: string): Promise<unknown>
  disconnect(): void
  duplicate(override?: object): IoRedis
  pipeline(commands: readonly (readonly string[])[]): { exec(): Promise<readonly (readonly [Error | null, unknown])[]> }
  /** Of a cluster. */
  nodes?(role: string): readonly IoRedis[]
}

export type SendToServer = (command: readonly string[]) => Promise<unknown>

/** A client of one server or cluster. */
export interface Redis {
  /** Whether it has been closed, or never connected: then it answers no command. */
  readonly isClosed: boolean
  /** @param key the command is for the server that has it. */
  send(key: string, command: readonly string[]): Promise<unknown>
  /** The same for several commands, over one connection, one after the other. Only the first need have the key. */
  sendInOrder(key: string, commands: readonly (readonly string[])[]): Promise<unknown[]>
  /** The servers that have keys, as functions that send a command to one of them. */
  servers(): Promise<readonly SendToServer[]>
  /** Opens a connection for notifications. */
  subscribe(channel: string, subscriber: Subscriber): Subscription
  /** For a client of the engine itself. */
  connect(): Promise<unknown>
  close(): void
}

export interface Subscription {
  /** Called once messages arrive. */
  readonly ready: Promise<unknown>
  /** Whether its connection is closed for good, after it was ready: the user's client may be set not to connect again. */
  readonly isEnded: boolean
  /** At any time. Does nothing the second time: another UNSUBSCRIBE could end the next subscription. */
  close(): void
}

export interface Subscriber {
  readonly onMessage: (message: string) => void
  /** Called when it is connected (again): messages may have been missed before. */
  readonly onGap: () => void
}

export function isSupported(client: unknown): client is RedisClient {
  if (typeof client !== 'object' || client === null) return false
  return isIoRedis(client) || isNodeRedis(client)
}

function isIoRedis(client: object): client is IoRedis {
  return has(client, 'call', 'sendCommand', 'subscribe', 'duplicate', 'connect')
}

function isNodeRedis(client: object): client is NodeRedis {
  return has(client, 'sendCommand', 'subscribe', 'unsubscribe', 'connect') && 'isOpen' in client
}

function has(client: object, ...methods: readonly string[]): boolean {
  return methods.every((method) => typeof (client as Record<string, unknown>)[method] === 'function')
}

export function adapt(client: RedisClient): Redis {
  return isIoRedis(client) ? new IoRedisAdapter(client) : new NodeRedisAdapter(client as unknown as NodeRedis)
}

class NodeRedisAdapter implements Redis {
  readonly #client: NodeRedis
  /** Settles when the last subscription of a client that keeps a connection for notifications itself has ended. */
  #unsubscribed: Promise<unknown> = Promise.resolve()

  constructor(client: NodeRedis) {
    this.#client = client
  }

  get isClosed(): boolean {
    return !this.#client.isOpen
  }

  get #isCluster(): boolean {
    return this.#client.nodeClient !== undefined
  }

  get #isSentinel(): boolean {
    return this.#client.acquire !== undefined
  }

  async send(key: string, command: readonly string[]): Promise<unknown> {
    if (this.#isCluster) return await this.#client.sendCommand(key, false, command)
    return this.#isSentinel ? await this.#client.sendCommand(false, command) : await this.#client.sendCommand(command)
  }

  async sendInOrder(key: string, commands: readonly (readonly string[])[]): Promise<unknown[]> {
    if (this.#isCluster) {
      const replies: unknown[] = []
      for (const command of commands) replies.push(await this.send(key, command))
      return replies
    }
    // One for Sentinel may have several connections, and takes one of them for a pipeline.
    const pipeline = this.#client.multi()
    for (const command of commands) pipeline.addCommand(...(this.#isSentinel ? [false] : []), command)
    return await pipeline.execAsPipeline()
  }

  async servers(): Promise<readonly SendToServer[]> {
    if (!this.#isCluster) return [(command) => this.send('', command)]
    const masters = this.#client.masters ?? []
    const nodes = await Promise.all(masters.map(async (master) => await this.#client.nodeClient!(master)))
    return nodes.map((node) => (command) => node.sendCommand(command))
  }

  subscribe(channel: string, { onMessage, onGap }: Subscriber): Subscription {
    // The others keep a connection for notifications themselves.
    if (this.#isCluster || this.#isSentinel || this.#client.duplicate === undefined) {
      return this.#subscribeInTurn(channel, onMessage)
    }
    const connection = this.#client.duplicate()
    connection.on('error', ignore)
    connection.unref?.()
    const open = async (): Promise<void> => {
      await connection.connect()
      await connection.subscribe(channel, onMessage)
      connection.on('ready', onGap)
    }
    return {
      ready: open(),
      get isEnded() {
        return !connection.isOpen
      },
      close: () => void quietly(() => end(connection)),
    }
  }

  /**
   * One subscription after the other. Otherwise a subscription that begins between the late reply of an earlier one and the reply to its end is never sent, since
   * the client takes the channel for subscribed (PubSub in @redis/client 6.3.1).
   */
  #subscribeInTurn(channel: string, onMessage: (message: string) => void): Subscription {
    let isClosed = false
    let isSent = false
    const before = this.#unsubscribed
    const open = async (): Promise<void> => {
      await before
      if (isClosed) return
      isSent = true
      await this.#client.subscribe(channel, onMessage)
    }
    const ready = open()
    const unsubscribe = async (): Promise<void> => {
      await ready.catch(ignore)
      if (isSent) await this.#client.unsubscribe(channel, onMessage)
    }
    const close = (): void => {
      if (isClosed) return
      isClosed = true
      this.#unsubscribed = quietly(unsubscribe)
    }
    return { ready, isEnded: false, close }
  }

  async connect(): Promise<unknown> {
    this.#client.on('error', ignore)
    this.#client.unref?.()
    return await this.#client.connect()
  }

  close(): void {
    void quietly(() => end(this.#client))
  }
}

class IoRedisAdapter implements Redis {
  readonly #client: IoRedis

  constructor(client: IoRedis) {
    this.#client = client
  }

  get isClosed(): boolean {
    return this.#client.status === 'end'
  }

  async send(_key: string, [command = '', ...parameters]: readonly string[]): Promise<unknown> {
    // A client for clusters finds the server of a command's keys by itself.
    return await this.#client.call(command, ...parameters)
  }

  async sendInOrder(_key: string, commands: readonly (readonly string[])[]): Promise<unknown[]> {
    if (this.#client.nodes !== undefined) {
      throw new SlocketError(
        'ERR_SLOCKET_SYSTEM',
        'the option replicas does not work with a Cluster of ioredis: use createCluster of redis',
      )
    }
    // If the connection ends meanwhile, it sends all of them again, not the last one alone.
    const pipeline = this.#client.pipeline(commands.map(([name = '', ...parts]) => [name.toLowerCase(), ...parts]))
    return (await pipeline.exec()).map(([error, reply]) => {
      if (error !== null) throw error
      return reply
    })
  }

  async servers(): Promise<readonly SendToServer[]> {
    const nodes = this.#client.nodes?.('master') ?? [this.#client]
    return await Promise.resolve(
      nodes.map(
        (node) =>
          ([name = '', ...parameters]) =>
            node.call(name, ...parameters),
      ),
    )
  }

  subscribe(channel: string, { onMessage, onGap }: Subscriber): Subscription {
    const isCluster = this.#client.nodes !== undefined
    // A cluster keeps a connection for notifications itself.
    const connection = isCluster
      ? this.#client
      : this.#client.duplicate({ lazyConnect: true, enableOfflineQueue: true, autoResubscribe: true })
    const listener = (from: string, message: string): void => {
      if (from === channel) onMessage(message)
    }
    connection.on('message', listener)
    const open = async (): Promise<void> => {
      if (!isCluster) await connectInBackground(connection)
      await connection.subscribe(channel)
      if (!isCluster) connection.on('ready', onGap)
    }
    let isClosed = false
    const close = (): void => {
      if (isClosed) return
      isClosed = true
      connection.off('message', listener)
      void quietly(() => (isCluster ? connection.unsubscribe(channel) : connection.disconnect()))
    }
    return {
      ready: open(),
      get isEnded() {
        return connection.status === 'end'
      },
      close,
    }
  }

  async connect(): Promise<unknown> {
    return await connectInBackground(this.#client)
  }

  close(): void {
    this.#client.disconnect()
  }
}

function end(client: NodeRedis): unknown {
  return client.destroy === undefined ? client.disconnect?.() : client.destroy()
}

/** Its connection does not keep the process alive. */
async function connectInBackground(client: IoRedis): Promise<unknown> {
  client.on('error', ignore)
  client.on('connect', () => client.stream?.unref?.())
  return await client.connect()
}

/** Failures are reported by the commands that fail. */
function ignore(error: unknown): void {
  debug('redis: %s', isError(error) ? error.message : error)
}

async function quietly(act: () => unknown): Promise<void> {
  try {
    await act()
  } catch (error) {
    ignore(error)
  }
}
