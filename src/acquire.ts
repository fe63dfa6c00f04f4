/** Asks an engine for a lock, with or without a time limit. */
import type { AcquireRequest, Engine } from './requests/engine.ts'
import { inNextTurn, isTurnDue, nextTurn } from './requests/event-loop.ts'
import { onAbort } from './requests/on-abort.ts'
import { permitsOf } from './core/claim.ts'
import { HolderLook } from './holder-look.ts'
import { Lock } from './lock.ts'
import type { Asked } from './options.ts'
import { selfWaitWarning } from './self-wait-warning.ts'
import { timeoutError } from './timeout-error.ts'
import { setTimeout, clearTimeout, wallNowMs, monotonicNowMs } from './real-time.ts'

/** How long before the deadline to ask who holds, in ms: a busy server has answered by then. */
const LEAD_MS = 500

const TIMED_OUT = Symbol('timed out')

/** Null only if `wait` is false. */
export function acquireOnce(
  engine: Engine,
  path: string,
  asked: Asked,
  { wait, signal }: Pick<AcquireRequest, 'wait' | 'signal'>,
): Promise<Lock | null> {
  const { claim, mode, label, lingerMs } = asked
  const onError = signal === undefined ? throwInNextTurn : throwUnlessAborted(signal)
  const onSelfWait = wait ? selfWaitWarning(engine, path, label) : undefined
  return engine.acquire(path, { claim, wait, label, lingerMs, signal, onSelfWait }).then((grant) => {
    if (grant === null) return nextTurn().then(() => null)
    const lock = new Lock(path, mode, permitsOf(claim), grant)
    return isTurnDue() ? inNextTurn(lock) : lock
  }, onError)
}

async function throwInNextTurn(error: unknown): Promise<never> {
  await nextTurn()
  throw error
}

/** For a request that may be cancelled: a caller that aborts a wait is told at once. */
function throwUnlessAborted(signal: AbortSignal): (error: unknown) => Promise<never> {
  const wasAborted = signal.aborted
  return async (error) => {
    if (wasAborted || !signal.aborted) await nextTurn()
    throw error
  }
}

/** @throws ERR_SLOCKET_TIMEOUT; a holder or a server that does not answer does not delay it. */
export async function acquireWithin(engine: Engine, path: string, asked: Asked, timeoutMs: number): Promise<Lock> {
  const { signal } = asked
  if (signal?.aborted === true) await nextTurn()
  signal?.throwIfAborted()
  // Now: a relative path means another lock once the working directory has changed.
  const resource = engine.resolve?.(path) ?? path
  if (timeoutMs > 0) return await new TimedWait({ engine, resource, path, asked, timeoutMs }).run()
  const lock = await acquireOnce(engine, path, asked, { wait: false, signal })
  if (lock !== null) return lock
  const error = await timeoutError(new HolderLook(engine, resource), path, timeoutMs)
  signal?.throwIfAborted()
  throw error
}

interface TimedRequest {
  readonly engine: Engine
  readonly resource: string
  readonly path: string
  readonly asked: Asked
  readonly timeoutMs: number
}

/**
 * One wait with a time limit. Asks who holds shortly before the deadline, so that the error can say it at the deadline. An engine that
 * has to cancel the wait on a server is waited for: once this has rejected, nothing is held.
 */
class TimedWait {
  readonly #request: TimedRequest
  readonly #controller = new AbortController()
  readonly #sinceMs = wallNowMs()
  readonly #deadlineMs: number
  #timer: NodeJS.Timeout
  #look: HolderLook | undefined

  constructor(request: TimedRequest) {
    this.#request = request
    const { timeoutMs } = request
    this.#deadlineMs = monotonicNowMs() + timeoutMs
    this.#timer = setTimeout(() => this.#startLook(), timeoutMs - Math.min(LEAD_MS, timeoutMs / 2))
  }

  async run(): Promise<Lock> {
    const { engine, path, asked, timeoutMs } = this.#request
    const { signal } = asked
    const stopListening = signal && onAbort(signal, () => this.#controller.abort(signal.reason))
    try {
      // A request that waits is never refused.
      return (await acquireOnce(engine, path, asked, { wait: true, signal: this.#controller.signal })) as Lock
    } catch (error) {
      if (error !== TIMED_OUT) throw error
      const { label } = asked
      const timedOut = await timeoutError(this.#look!, path, timeoutMs, { label, sinceMs: this.#sinceMs })
      signal?.throwIfAborted()
      throw timedOut
    } finally {
      clearTimeout(this.#timer)
      stopListening?.()
      this.#look?.end()
    }
  }

  #startLook(): void {
    const { engine, resource } = this.#request
    this.#look = new HolderLook(engine, resource)
    this.#timer = setTimeout(() => this.#endWait(), Math.max(1, this.#deadlineMs - monotonicNowMs()))
  }

  #endWait(): void {
    this.#look!.hurry()
    this.#controller.abort(TIMED_OUT)
  }
}
