import type { Engine, EngineSnapshot } from './requests/engine.ts'
import { setTimeout, clearTimeout, setImmediate, monotonicNowMs } from './real-time.ts'

/** How long a look may take, in ms, if its answer is needed before it has come. */
const ANSWER_MS = 10

/** Asks an engine who holds a lock, for a timeout error. The error must not be late. */
export class HolderLook {
  readonly #engine: Engine
  readonly #controller = new AbortController()
  readonly #sinceMs = monotonicNowMs()
  readonly #answer: Promise<EngineSnapshot>
  #becomeLate!: (error: Error) => void
  #timer: NodeJS.Timeout | undefined

  constructor(engine: Engine, resource: string) {
    this.#engine = engine
    const late = new Promise<never>((_, reject) => (this.#becomeLate = reject))
    this.#answer = Promise.race([ask(engine, resource, this.#controller.signal), late])
    // The answer may never be read.
    this.#answer.catch(() => {})
  }

  /** What uses all places of the engine, or undefined if a place is free. */
  get inUse(): string | undefined {
    return this.#engine.placesInUse?.()
  }

  /** To be called when the answer is needed soon: ends the look once it has taken ANSWER_MS. */
  hurry(): void {
    const restMs = Math.max(0, ANSWER_MS - (monotonicNowMs() - this.#sinceMs))
    this.#timer ??= setTimeout(() => {
      this.end()
      // The engine may answer at once with what it knows.
      setImmediate(() => this.#becomeLate(new Error('no answer in time')))
    }, restMs)
  }

  /** Resolves with what the engine knows. @throws what the engine throws; an Error if it does not answer in time. */
  async answer(): Promise<EngineSnapshot> {
    this.hurry()
    try {
      return await this.#answer
    } finally {
      this.end()
    }
  }

  /** Ends the look: the engine then answers with what it knows, or rejects. */
  end(): void {
    clearTimeout(this.#timer)
    this.#controller.abort()
  }
}

async function ask(engine: Engine, resource: string, signal: AbortSignal): Promise<EngineSnapshot> {
  return await engine.query(resource, signal)
}
