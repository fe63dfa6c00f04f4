/**
 * The connections of one engine: one for commands, which may be the user's, and one for notifications.
 *
 *  1. Each call has a time limit. Without an answer it is repeated; so only scripts that may run twice are called here. After its limit, a call sends no
 *     script any more: otherwise the lease that the next call's reply renews would count from that later sending.
 *  2. No call is repeated forever: it ends when its caller says so, or after as long as a lease lasts without an answer.
 *  3. Connections don't keep the process alive. Calls do, except calls in the background.
 *  4. Notifications are hints. Without a connection for them, tickets are looked at with each renewal, and the subscription is tried again.
 */
import { debug } from '../../debug.ts'
import { isError, SlocketError } from '../../errors.ts'
import { setTimeout, clearTimeout, monotonicNowMs, sleep } from '../../real-time.ts'
import { withinAwake } from '../awake.ts'
import { keepAlive } from '../keep-alive.ts'
import { adapt } from './client.ts'
import type { Redis, SendToServer, Subscriber, Subscription } from './client.ts'
import type { MakeClient } from './load-client.ts'
import { loadClient } from './load-client.ts'
import { keysOf } from './names.ts'
import type { Settings } from './options.ts'
import { codeOf, isDenied, isUnanswered, toSlocketError } from './refusal.ts'
import type { Script } from './scripts.ts'
import { WRITE_AGAIN } from './scripts.ts'

/** How long a call may take, in ms. Longer each time that it is repeated: the server may be slow, or this process. */
const LIMIT_MS = 1000
const LONGEST_LIMIT_MS = 3000
/** How long connections are kept by default, in ms. */
const DEFAULT_LINGER_MS = 1000
/** The pause after a call that failed. */
const PAUSE_MS = 100
/** The minimum number of tries, however long they take: a process that was stopped has not tried. */
const LEAST_TRIES = 3
/** How often the keys of all servers are listed at most, until no call fails. */
const MOST_PASSES = 10
/** After this many calls in a row without an answer, a client that the engine has made is replaced. */
const MOST_SILENT = 2

export interface Asking {
  /** Called between two calls: returns whether the answer is no longer needed. Default: it always is. */
  readonly isOver?: (() => boolean) | undefined
  /** Whether the process may end meanwhile. Default: false. */
  readonly isBackground?: boolean
  /** Called right before each call is sent. */
  readonly onSend?: (() => void) | undefined
}

/** One call. `isLate` says whether its limit has passed: then its answer is no longer used. */
type Call<T> = (redis: Redis, isLate: () => boolean) => Promise<T>

/** The connection for notifications, from before it is opened. */
interface Hearing {
  opening?: Promise<void>
  subscription?: Subscription
  isOpen: boolean
}

export class Connection {
  readonly #settings: Settings
  readonly #channel: string
  readonly #subscriber: Subscriber
  #make: MakeClient | undefined
  #redis: Promise<Redis> | undefined
  /** A client of the engine's own, from before it has connected. */
  #own: Redis | undefined
  /** How often it was closed. */
  #closings = 0
  #hearing: Hearing | undefined
  /** Settles with the last count of replicas. */
  #counting: Promise<unknown> = Promise.resolve()
  #gaps = 0
  #silent = 0
  #users = 0
  #lingerMs = DEFAULT_LINGER_MS
  #lingerTimer: NodeJS.Timeout | undefined

  constructor(settings: Settings, channel: string, subscriber: Subscriber) {
    this.#settings = settings
    this.#channel = channel
    this.#subscriber = {
      onMessage: (message) => subscriber.onMessage(message),
      onGap: () => {
        this.#gaps += 1
        subscriber.onGap()
      },
    }
  }

  /** A different number each time after notifications may have been missed. 0 while they are missed. */
  get hearsSince(): number {
    return this.#hearing?.isOpen === true && !this.#isDeaf ? this.#gaps : 0
  }

  /** Whether notifications were open, and have ended for good. */
  get #isDeaf(): boolean {
    return this.#hearing?.isOpen === true && this.#hearing.subscription?.isEnded === true
  }

  /** A ticket needs the connections. */
  use(): void {
    this.#users += 1
    clearTimeout(this.#lingerTimer)
  }

  /** A ticket no longer needs the connections. Connections that the engine has opened are closed unless they are needed again within `lingerMs`. */
  unuse(lingerMs: number = this.#lingerMs): void {
    this.#users -= 1
    this.#lingerMs = lingerMs
    if (this.#users > 0) return
    clearTimeout(this.#lingerTimer)
    this.#lingerTimer = setTimeout(() => this.#close(), lingerMs).unref()
  }

  /**
   * Runs a script until there is an answer.
   *
   * @returns undefined if `isOver` was true before that.
   * @throws ERR_SLOCKET_UNREACHABLE, ERR_SLOCKET_NO_CLIENT, ERR_SLOCKET_PERMISSION, ERR_SLOCKET_RESOURCES, ERR_SLOCKET_SYSTEM
   */
  async ask(script: Script, name: string, args: readonly string[], asking: Asking = {}): Promise<string[] | undefined> {
    const keys = keysOf(this.#settings.namespace, name)
    return await this.#patiently(asking, async (redis, isLate) => {
      asking.onSend?.()
      const rest = [String(keys.length), ...keys, ...args]
      const reply = await redis.send(keys[0]!, ['EVALSHA', script.sha, ...rest]).catch((error: unknown) => {
        if (codeOf(error) !== 'NOSCRIPT') throw error
        // RACE: this reply came after the limit, and the next call has been sent meanwhile. The lease that its reply renews must not count from now.
        if (isLate()) throw error
        asking.onSend?.()
        return redis.send(keys[0]!, ['EVAL', script.text, ...rest])
      })
      return (reply as unknown[]).map(String)
    })
  }

  /**
   * Writes a ticket again. @returns the number of replicas that have that, after half a second at most: fewer than `count` if they are too slow. Undefined if
   * `isOver` was true before that. One at a time: meanwhile the server does nothing else for this connection, and leases must be renewed in between.
   */
  async countReplicas(
    name: string,
    args: readonly string[],
    count: number,
    asking: Asking,
  ): Promise<number | undefined> {
    const keys = keysOf(this.#settings.namespace, name)
    const write = ['EVAL', WRITE_AGAIN.text, String(keys.length), ...keys, ...args]
    // It counts the replicas that have the last write of its own connection.
    const wait = ['WAIT', String(count), String(LIMIT_MS / 2)]
    const counting = this.#counting.then(async () =>
      this.#patiently(asking, async (redis) => {
        const [, replicas] = await redis.sendInOrder(keys[0]!, [write, wait])
        return Number(replicas)
      }),
    )
    this.#counting = counting.catch(() => undefined)
    return await counting
  }

  /**
   * The keys that match a pattern, on all servers. Each page is a call of its own, so that a large database may take long. If one of them fails, all servers
   * are asked again: a cursor is of use only to the process that has made it.
   *
   * @throws as `ask`
   */
  async keys(pattern: string): Promise<string[]> {
    const keys = new Set<string>()
    for (let pass = 0; pass < MOST_PASSES; pass += 1) {
      const servers = (await this.#patiently({}, async (redis) => await redis.servers())) ?? []
      if (await this.#scan(servers, pattern, keys)) return [...keys]
    }
    const message = `the locks in Redis could not be listed: the connection failed ${MOST_PASSES} times before all servers had replied`
    throw new SlocketError('ERR_SLOCKET_UNREACHABLE', message)
  }

  /** Adds to `keys`. Returns false if a server has not answered. */
  async #scan(servers: readonly SendToServer[], pattern: string, keys: Set<string>): Promise<boolean> {
    for (const send of servers) {
      let cursor = '0'
      // Bound: the server's: SCAN ends once it has visited all keys.
      do {
        const command = ['SCAN', cursor, 'MATCH', pattern, 'COUNT', '1000']
        let isSent = false
        const ask = async (): Promise<unknown> => {
          isSent = true
          return await send(command)
        }
        const reply = await this.#patiently({ isOver: () => isSent }, ask)
        if (reply === undefined) return false
        const [next, page] = reply as [unknown, unknown[]]
        for (const key of page) keys.add(String(key))
        cursor = String(next)
      } while (cursor !== '0')
    }
    return true
  }

  /** Opens the connection for notifications, unless it is open. Temporary failures are ignored. @throws ERR_SLOCKET_PERMISSION */
  async subscribe(): Promise<void> {
    try {
      await this.#hear()
    } catch (error) {
      if (isDenied(error)) throw toSlocketError(error)
      debug('redis: no notifications: %s', isError(error) ? error.message : error)
    }
  }

  #hear(): Promise<void> {
    if (this.#isDeaf) this.#hearing?.subscription?.close()
    else if (this.#hearing?.opening !== undefined) return this.#hearing.opening
    const hearing: Hearing = { isOpen: false }
    this.#hearing = hearing
    hearing.opening = this.#openSubscription(hearing)
    return hearing.opening
  }

  async #openSubscription(hearing: Hearing): Promise<void> {
    try {
      await withinAwake(this.#startHearing(hearing), LONGEST_LIMIT_MS, () => new Error('no answer to SUBSCRIBE'))
      hearing.isOpen = true
      this.#subscriber.onGap()
    } catch (error) {
      if (this.#hearing === hearing) this.#hearing = undefined
      hearing.subscription?.close()
      throw error
    }
  }

  async #startHearing(hearing: Hearing): Promise<void> {
    const redis = await this.#open()
    if (this.#hearing !== hearing) return
    hearing.subscription = redis.subscribe(this.#channel, this.#subscriber)
    await hearing.subscription.ready
  }

  async #patiently<T>({ isOver, isBackground }: Asking, call: Call<T>): Promise<T | undefined> {
    const stopKeepAlive = isBackground === true ? undefined : keepAlive()
    const { ttlMs } = this.#settings
    const sinceMs = monotonicNowMs()
    this.use()
    try {
      // Bound: as long as a lease lasts.
      for (let tries = 0; isOver?.() !== true;) {
        try {
          return await this.#once(call, Math.min(LONGEST_LIMIT_MS, LIMIT_MS * (1 + tries)))
        } catch (error) {
          if (!isUnanswered(error)) throw toSlocketError(error)
          const said = isError(error) ? error.message : String(error)
          debug('redis: %s', said)
          tries += 1
          const silentMs = monotonicNowMs() - sinceMs
          if (tries >= LEAST_TRIES && silentMs >= ttlMs) {
            const message = `Redis has not answered for ${(silentMs / 1000).toFixed(1)} s (${said}): check that the server is running, and the address that redis() was given`
            throw new SlocketError('ERR_SLOCKET_UNREACHABLE', message, { cause: error })
          }
          await sleep(PAUSE_MS, { ref: false })
        }
      }
      return undefined
    } finally {
      this.unuse()
      stopKeepAlive?.()
    }
  }

  async #once<T>(call: Call<T>, limitMs: number): Promise<T> {
    let isSilent = false
    const isLate = (): boolean => isSilent
    const calling = this.#open().then((redis) => {
      if (isLate()) throw new Error('connected too late')
      if (redis.isClosed && this.#settings.client !== undefined) {
        throw new SlocketError(
          'ERR_SLOCKET_UNREACHABLE',
          'options.client of redis() is not connected: call its connect() first',
        )
      }
      return call(redis, isLate)
    })
    const silence = (): Error => {
      isSilent = true
      return new Error(`no answer for ${limitMs} ms`)
    }
    try {
      const answer = await withinAwake(calling, limitMs, silence)
      this.#silent = 0
      return answer
    } catch (error) {
      this.#silent = isSilent ? this.#silent + 1 : 0
      if (this.#silent >= MOST_SILENT && this.#settings.client === undefined) this.#close()
      throw error
    }
  }

  #open(): Promise<Redis> {
    if (this.#redis !== undefined) return this.#redis
    const connecting = this.#connect()
    this.#redis = connecting
    connecting.catch(() => {
      // Unless it was closed meanwhile, and replaced by another one.
      if (this.#redis === connecting) this.#redis = undefined
    })
    return connecting
  }

  async #connect(): Promise<Redis> {
    const { client, url } = this.#settings
    if (client !== undefined) return adapt(client)
    const closings = this.#closings
    this.#make ??= await loadClient(url!)
    // RACE: closed while the package was loaded, which can take seconds. A call that needs a connection now makes another one.
    if (this.#closings !== closings) throw new Error('closed while the client was loaded')
    const own = adapt(this.#make())
    this.#own = own
    try {
      await own.connect()
      return own
    } catch (error) {
      own.close()
      throw error
    }
  }

  #close(): void {
    const { client } = this.#settings
    this.#hearing?.subscription?.close()
    this.#hearing = undefined
    this.#silent = 0
    if (client !== undefined) return
    this.#closings += 1
    this.#redis = undefined
    this.#own?.close()
    this.#own = undefined
  }
}
