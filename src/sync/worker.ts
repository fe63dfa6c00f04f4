/**
 * The worker of `slocket.sync`, from outside: a thread that stands in queues, and holds, while this thread blocks in `Atomics.wait`
 * until it has answered. Started when it is first needed, by each thread for itself, and again once it has ended.
 *
 *  state   | meaning                                  | what ends it                               | the word USE
 *  --------+------------------------------------------+--------------------------------------------+-------------
 *  in use  | it has an order, or holds                | the last lock is released, or lost         | IN_USE
 *  free    | it may end whenever it likes             | an order; its idle time                    | FREE
 *  ended   | its thread has gone, or is about to go   | nothing; what it held is lost              | ENDED
 *
 * Nothing of this thread's event loop is needed for any of it; where that runs, losses come by it. Nothing here keeps the
 * process alive.
 */
import { closeSync, constants, existsSync, fstatSync, openSync } from 'node:fs'
import type * as threadsModule from 'node:worker_threads'
import { addIdleThread, isOutOfDescriptors, makeRoom, removeIdleThread } from '../requests/idle.ts'
import { debug } from '../debug.ts'
import { SlocketError, systemCode } from '../errors.ts'
import type { WaitNotice } from '../lock-state.ts'
import { threadIdentity } from '../thread-identity.ts'
import type { Answer, Order, Said, SignOfLife, WorkerData } from './messages.ts'
import { ENDED, FREE, IN_USE, SAID, USE, WORDS } from './messages.ts'
import { fromPlain } from './plain-error.ts'
import type { SyncHolder, SyncLock } from './sync-lock.ts'
import { threadProgram } from './thread-program.ts'

/** How often to look whether the other thread is still there, in ms: a thread that ends for want of memory says nothing. */
const LOOK_MS = 1000
/** How many looks a thread has to start. Looks, not seconds: this process may be stopped meanwhile. */
const MOST_LOOKS_TO_START = 60
/** How many descriptors a thread needs to start, and some more (four or five on Node 20, and those of the files that it loads). */
const DESCRIPTORS_TO_START = 16
/** How many looks it has to leave. */
const MOST_LOOKS_TO_LEAVE = 2

/** For Windows: a new file that nobody else can open, and that is deleted on close. The flags are those of a ticket: held-file.ts of the local engine. */
const HELD = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | 0x10000000 | 0x40
/**
 * In the thread: what is there for as long as the thread: a sign of its life. On Linux, that is its directory in /proc; elsewhere, and without /proc, a file that it
 * has open: Node closes a thread's files when the thread ends, also if it ended for want of memory. Windows deletes the file then; elsewhere its name is
 * removed at once, and what is looked for is the open file, which this thread can see, too.
 */
const SIGN_ON_WINDOWS = `{ path: (() => {
  fs.openSync(file, ${HELD})
  return file
})() }`
const SIGN_ELSEWHERE = `(() => {
  try {
    return { path: '/proc/' + fs.readlinkSync('/proc/thread-self') }
  } catch {}
  const descriptor = fs.openSync(file, 'wx', 0o600)
  fs.rmSync(file)
  const { dev, ino, ctimeNs } = fs.fstatSync(descriptor, { bigint: true })
  return { descriptor, dev, ino, ctimeNs }
})()`

/**
 * What the thread runs before its own program, so that whatever ends the thread is reported: Node tells it only to the event loop of
 * this one, which stands still.
 */
const PREAMBLE = `
const { workerData } = require('node:worker_threads')
const { port, words } = workerData
const fail = (error) => port.postMessage({ kind: 'failed', message: String(error), code: error?.code })
process.on('uncaughtExceptionMonitor', fail)
process.on('exit', () => {
  Atomics.store(words, ${USE}, ${ENDED})
  Atomics.add(words, ${SAID}, 1)
  Atomics.notify(words, ${SAID})
})
try {
  const fs = require('node:fs')
  const name = 'slocket-thread-' + process.pid + '-' + process.hrtime.bigint()
  const file = require('node:path').resolve(require('node:os').tmpdir(), name)
  port.postMessage({ kind: 'started', signOfLife: ${process.platform === 'win32' ? SIGN_ON_WINDOWS : SIGN_ELSEWHERE} })
} catch {}
`

type Threads = typeof threadsModule
/** An order without its id. */
type Asked = Order extends infer One ? (One extends Order ? Omit<One, 'id'> : never) : never

let current: SyncWorker | undefined

/** Called meanwhile with what the order waits for. Must not throw. */
type OnNotice = (notice: WaitNotice) => void

/** What `take` makes of its answer; asks again once there are descriptors. Blocks until the answer has come. */
export function askWorker<T>(
  asked: Asked,
  take: (answer: Answer, worker: SyncWorker, id: number) => T,
  onNotice?: OnNotice,
): T {
  // Bound: see makeRoom. What is idle in this thread is out of reach of the other one.
  for (;;) {
    try {
      return askOnce(asked, take, onNotice)
    } catch (error) {
      makeRoom(error)
    }
  }
}

function askOnce<T>(
  asked: Asked,
  take: (answer: Answer, worker: SyncWorker, id: number) => T,
  onNotice: OnNotice | undefined,
): T {
  if (current?.begin() !== true) current = startWorker()
  const worker = current
  try {
    const id = worker.order(asked, onNotice)
    return take(worker.answerTo(id, Infinity), worker, id)
  } finally {
    worker.finish()
  }
}

export class SyncWorker implements SyncHolder {
  readonly #handle: threadsModule.Worker
  readonly #port: threadsModule.MessagePort
  readonly #words: Int32Array
  readonly #receive: Threads['receiveMessageOnPort']
  readonly #answers = new Map<number, Answer>()
  readonly #locks = new Map<number, SyncLock>()
  /** Of orders without an answer. */
  readonly #onNotices = new Map<number, OnNotice>()
  #lastId = 0
  /** Orders without an answer. */
  #asking = 0
  /** How often it was waited for in vain before it said that it is ready. */
  #startLooks = 0
  #isReady = false
  #signOfLife: SignOfLife | undefined
  #failure: { readonly message: string; readonly code: unknown } | undefined

  /** Begun. */
  constructor(threads: Threads, thread: threadsModule.Worker, port: threadsModule.MessagePort, words: Int32Array) {
    this.#receive = threads.receiveMessageOnPort
    this.#handle = thread
    this.#port = port
    this.#words = words
    this.#asking = 1
    port.on('message', (said: Said) => this.#hear(said))
    port.unref()
    thread.on('error', (error) => this.#onEnd(String(error)))
    thread.on('exit', () => this.#onEnd('it has ended'))
    thread.unref()
    process.prependListener('exit', this.#onExit)
    addIdleThread(this.#leaveIdle)
  }

  /** False if it has ended. To be followed by `finish`. */
  begin(): boolean {
    if (Atomics.compareExchange(this.#words, USE, FREE, IN_USE) === ENDED) {
      this.#onEnd('it has ended')
      return false
    }
    this.#asking += 1
    return true
  }

  finish(): void {
    this.#asking -= 1
    this.#freeIfUnused()
  }

  order(asked: Asked, onNotice?: OnNotice): number {
    this.#lastId += 1
    if (onNotice !== undefined) this.#onNotices.set(this.#lastId, onNotice)
    this.#port.postMessage({ ...asked, id: this.#lastId })
    return this.#lastId
  }

  /** Blocks until it has answered. Throws if it never will, or has not after `mostLooks`. */
  answerTo(id: number, mostLooks: number): Answer {
    let looks = 0
    // Bound: by the answer; by the end of the other thread; by `mostLooks`.
    for (;;) {
      const said = Atomics.load(this.#words, SAID)
      // Before what it has said is heard, so that its last words are.
      const hasEnded = this.#hasEnded()
      this.#hearAll()
      const answer = this.#answers.get(id)
      if (answer !== undefined) {
        this.#answers.delete(id)
        return answer
      }
      if (hasEnded) throw this.#onEnd('it has ended')
      if (looks >= mostLooks) throw new Error('it has not answered yet')
      if (this.#startLooks >= MOST_LOOKS_TO_START) {
        throw this.#onEnd('it does not answer')
      }
      if (Atomics.wait(this.#words, SAID, said, LOOK_MS) !== 'timed-out') continue
      looks += 1
      this.#startLooks = this.#isReady ? 0 : this.#startLooks + 1
    }
  }

  add(lock: SyncLock): void {
    this.#locks.set(lock.id, lock)
  }

  hearLosses(): void {
    const hasEnded = this.#hasEnded()
    this.#hearAll()
    if (hasEnded && this.#locks.size > 0) this.#onEnd('it has ended')
  }

  look(lock: SyncLock): void {
    this.hearLosses()
    if (!this.#locks.has(lock.id) || !this.begin()) return
    try {
      this.answerTo(this.order({ do: 'look', lock: lock.id }), Infinity)
    } catch (error) {
      // It has ended, and so its locks are lost: they have been notified.
      debug('a look at a lock: %s', error)
    } finally {
      this.finish()
    }
  }

  release(lock: SyncLock): void {
    if (!this.begin()) return
    try {
      this.#locks.delete(lock.id)
      const answer = this.answerTo(this.order({ do: 'release', lock: lock.id }), Infinity)
      if (answer.kind === 'error') throw fromPlain(answer.error)
    } finally {
      this.finish()
    }
  }

  #hearAll(): void {
    // Bound: by what has been said.
    for (;;) {
      const received = this.#receive(this.#port)
      if (received === undefined) return
      this.#hear(received.message as Said)
    }
  }

  #hear(said: Said): void {
    switch (said.kind) {
      case 'started':
        this.#signOfLife = said.signOfLife
        return
      case 'ready':
        this.#isReady = true
        return
      case 'failed':
        this.#failure ??= said
        return
      case 'notice':
        this.#onNotices.get(said.id)?.(said.notice)
        return
      case 'answer':
        this.#onNotices.delete(said.id)
        this.#answers.set(said.id, said.answer)
        return
      case 'lost':
        this.#lose(said.lock, fromPlain(said.error))
        this.#freeIfUnused()
    }
  }

  #lose(id: number, error: Error): void {
    const lock = this.#locks.get(id)
    this.#locks.delete(id)
    lock?.lose(error)
  }

  #freeIfUnused(): void {
    if (this.#asking === 0 && this.#locks.size === 0) Atomics.compareExchange(this.#words, USE, IN_USE, FREE)
  }

  #hasEnded(): boolean {
    if (Atomics.load(this.#words, USE) === ENDED) return true
    return this.#signOfLife !== undefined && !isThere(this.#signOfLife)
  }

  /** What it held is lost, and nobody asks it any more. */
  #onEnd(reason: string): SlocketError {
    Atomics.store(this.#words, USE, ENDED)
    process.off('exit', this.#onExit)
    removeIdleThread(this.#leaveIdle)
    if (current === this) current = undefined
    this.#hearAll()
    this.#port.close()
    // If it runs after all, it holds nothing any more, and carries out no order that nobody would know of.
    void this.#handle.terminate()
    const message = this.#failure?.message ?? reason
    debug('the worker of this thread: %s', message)
    for (const id of this.#locks.keys()) {
      this.#lose(id, new SlocketError('ERR_SLOCKET_LOST', `the thread that held the lock has ended: ${message}`))
    }
    return noThread(message, shortageOf(this.#failure))
  }

  /** It goes on holding: what is held may yet be used, and released, by a later listener for the exit. */
  readonly #onExit = (): void => void this.#leave({ do: 'leave' })

  /** Blocks, for what takes the other thread microseconds. */
  readonly #leaveIdle = (): boolean => {
    const answer = this.#leave({ do: 'leave idle' })
    return answer?.kind === 'left' && answer.hasLeft
  }

  /** Undefined if there is no answer in time: it may leave later. */
  #leave(order: Asked): Answer | undefined {
    if (!this.begin()) return undefined
    try {
      return this.answerTo(this.order(order), MOST_LOOKS_TO_LEAVE)
    } catch (error) {
      debug('leaving failed: %s', error)
      return undefined
    } finally {
      this.finish()
    }
  }
}

function isThere(sign: SignOfLife): boolean {
  if ('path' in sign) return existsSync(sign.path)
  try {
    const { dev, ino, ctimeNs } = fstatSync(sign.descriptor, { bigint: true })
    // A new file can have the inode number of a file that was just deleted, as on ext4.
    return dev === sign.dev && ino === sign.ino && ctimeNs === sign.ctimeNs
  } catch {
    return false
  }
}

function startWorker(): SyncWorker {
  const program = `${PREAMBLE}${threadProgram()}`
  const threads = process.getBuiltinModule('node:worker_threads')
  const words = new Int32Array(new SharedArrayBuffer(WORDS * Int32Array.BYTES_PER_ELEMENT))
  Atomics.store(words, USE, IN_USE)
  const { port1, port2 } = new threads.MessageChannel()
  const workerData: WorkerData = { port: port2, words, argv: process.argv, identity: threadIdentity() }
  // What was said to this process by options is not meant for the thread: preloaded modules, profilers, --input-type.
  const { NODE_OPTIONS: _, ...env } = process.env
  try {
    // Throws in a context that may not block, before anything is started.
    Atomics.wait(words, USE, FREE, 0)
    refuseFewDescriptors()
    const thread = new threads.Worker(program, { eval: true, execArgv: [], env, workerData, transferList: [port2] })
    return new SyncWorker(threads, thread, port1, words)
  } catch (error) {
    port1.close()
    throw noThread(String(error), error)
  }
}

/** Without them a thread ends before it has begun, and Node says so only to the event loop of this one, which stands still. */
function refuseFewDescriptors(): void {
  const opened: number[] = []
  try {
    while (opened.length < DESCRIPTORS_TO_START) opened.push(openSync('/dev/null', 'r'))
  } catch (error) {
    if (isOutOfDescriptors(error)) throw error
  } finally {
    for (const descriptor of opened) closeSync(descriptor)
  }
}

/** The error to report as the cause if a thread failed for want of descriptors. */
function shortageOf(failure: { readonly message: string; readonly code: unknown } | undefined): Error | undefined {
  if (failure === undefined || !isOutOfDescriptors(failure)) return undefined
  return Object.assign(new Error(failure.message), { code: failure.code })
}

function noThread(reason: string, cause?: unknown): SlocketError {
  const hint =
    systemCode(cause) === 'ERR_ACCESS_DENIED'
      ? "; Node's permission model refuses threads: give Node --allow-worker"
      : ''
  const code = isOutOfDescriptors(cause) ? 'ERR_SLOCKET_RESOURCES' : 'ERR_SLOCKET_NO_THREAD'
  const message = `slocket.sync has no thread that can wait for the lock: ${reason}${hint}`
  return new SlocketError(code, message, cause === undefined ? {} : { cause })
}
