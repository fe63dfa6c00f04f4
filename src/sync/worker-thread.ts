/**
 * The worker of `slocket.sync`, from inside: a thread that stands in queues, and holds, in the place of one thread that blocks. Its
 * event loop runs whatever that one does. It is a client like any other; when its process dies, so do its sockets.
 *
 *  1. Whatever it says, it says first by the port and then by the shared memory: who sleeps on that finds it said.
 *  2. It ends when nothing was asked of it for a while and it holds nothing, and with its process.
 */
import type { Engine } from '../requests/engine.ts'
import { leaveIdle } from '../requests/idle.ts'
import { adviceFor } from '../core/deadlock.ts'
import { claimsOfThisThread, localBesideMkdir, localFor } from '../engines/local/index.ts'
import { leaveAll } from '../engines/local/members/exit.ts'
import type { LockAccess } from '../requests/lock-access.ts'
import { acquireInTurn, acquireOnce } from '../acquire.ts'
import { SlocketError } from '../errors.ts'
import type { Lock } from '../lock.ts'
import type { WaitNotice } from '../lock-state.ts'
import { callOptions, parseOptions } from '../options.ts'
import { actFor } from '../thread-identity.ts'
import { isLockHeld } from './is-held.ts'
import type { Answer, Order, Said, WorkerData } from './messages.ts'
import { ENDED, FREE, SAID, USE } from './messages.ts'
import { toPlain } from './plain-error.ts'
import { setTimeout, clearTimeout } from '../real-time.ts'

/** How long it stays with nothing to do, in ms: to start another one takes 50 to 150 ms, and it takes a few MB of memory. */
const IDLE_MS = 5_000

type AcquireOrder = Extract<Order, { readonly do: 'acquire' }>

/** Called once, in the thread. */
export function serve(data: WorkerData): void {
  // What `query` tells of this process.
  process.argv.splice(0, Infinity, ...data.argv)
  actFor(data.identity)
  new WorkerThread(data).start()
}

class WorkerThread {
  readonly #data: WorkerData
  readonly #locks = new Map<number, Lock>()
  #idleTimer: NodeJS.Timeout | undefined

  constructor(data: WorkerData) {
    this.#data = data
  }

  start(): void {
    this.#data.port.on('message', (order: Order) => void this.#obey(order))
    this.#say({ kind: 'ready' })
  }

  async #obey(order: Order): Promise<void> {
    let answer: Answer
    try {
      answer = await this.#answer(order)
    } catch (error) {
      answer = { kind: 'error', error: toPlain(error) }
    }
    this.#say({ kind: 'answer', id: order.id, answer })
  }

  async #answer(order: Order): Promise<Answer> {
    switch (order.do) {
      case 'acquire': {
        const engine = engineFor(order.mkdirStaleMs, order.options.access)
        const lock = await acquire(order, engine, (notice) => this.#say({ kind: 'notice', id: order.id, notice }))
        return lock === null ? { kind: 'busy' } : this.#hold(order.id, lock)
      }
      case 'release': {
        const lock = this.#locks.get(order.lock)
        this.#locks.delete(order.lock)
        await lock?.release()
        return { kind: 'done' }
      }
      case 'look':
        // The code that finds a loss aborts its signal.
        void this.#locks.get(order.lock)?.held
        return { kind: 'done' }
      case 'query': {
        return { kind: 'locked', isLocked: await isLockHeld(engineFor(order.mkdirStaleMs), order.path) }
      }
      case 'leave idle':
        return { kind: 'left', hasLeft: leaveIdle() }
      case 'leave':
        leaveAll()
        return { kind: 'done' }
    }
  }

  #hold(id: number, lock: Lock): Answer {
    this.#locks.set(id, lock)
    const signal = lock.lossSignal
    signal.addEventListener('abort', () => {
      this.#locks.delete(id)
      this.#say({ kind: 'lost', lock: id, error: toPlain(signal.reason) })
    })
    const { mode, permits, take, token, recovered } = lock
    return { kind: 'held', held: { mode, permits, take, token, recovered } }
  }

  #say(said: Said): void {
    const { port, words } = this.#data
    port.postMessage(said)
    Atomics.add(words, SAID, 1)
    Atomics.notify(words, SAID)
    clearTimeout(this.#idleTimer)
    this.#idleTimer = setTimeout(() => this.#endIfFree(), IDLE_MS).unref()
  }

  /** RACE: the other side may be about to order something. By one word of memory, one of the two comes first. */
  #endIfFree(): void {
    if (Atomics.compareExchange(this.#data.words, USE, FREE, ENDED) === FREE) this.#data.port.close()
  }
}

/** Without `mkdirStaleMs`, that of this thread: it is another client than the thread that it stands in for. */
function engineFor(mkdirStaleMs: number | undefined, access?: LockAccess): Engine {
  return mkdirStaleMs === undefined ? localFor(access) : localBesideMkdir(mkdirStaleMs)
}

/** The caller has checked them. */
const CHECKED = callOptions('slocket.sync()')

async function acquire(
  order: AcquireOrder,
  engine: Engine,
  onWait: (notice: WaitNotice) => void,
): Promise<Lock | null> {
  const { path, claim, wait, isNoticed } = order
  const asked = { ...parseOptions(order.options, CHECKED), onWait: isNoticed ? onWait : undefined }
  const { signal, timeoutMs } = asked
  const tryOnce = (): Promise<Lock | null> => acquireOnce(engine, path, asked, { wait: false, signal })
  if (!wait) return await tryOnce()
  const advice = adviceFor(claim, [...order.own, ...claimsOfThisThread(path)], timeoutMs)
  if (advice === 'wait') return await acquireInTurn(engine, path, asked)
  const lock = advice === 'try' ? await tryOnce() : null
  if (lock === null) throw deadlock(path)
  return lock
}

function deadlock(path: string): SlocketError {
  return new SlocketError(
    'ERR_SLOCKET_DEADLOCK',
    `this thread already holds the lock '${path}', or waits for it, so slocket.sync would block forever: release the lock first`,
  )
}
