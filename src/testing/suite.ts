/** Registers tests of one engine, each with a fresh scene. */
import { test } from 'node:test'
import type { EngineUnderTest } from './engine-under-test.ts'
import { Random } from './random.ts'
import { Scene } from './scene.ts'

/** The capabilities that a test needs. */
export type Need = 'ordered' | 'shared' | 'permits' | 'take' | 'releasesAtOnce' | 'steal' | 'downgrade'

const DEFAULT_ROUNDS = 100
const DEFAULT_TIMEOUT_MS = 60_000

export class Suite {
  readonly engine: EngineUnderTest
  readonly #seed: number

  constructor(engine: EngineUnderTest) {
    this.engine = engine
    this.#seed = engine.seed ?? Math.floor(Math.random() * 2 ** 32)
  }

  /** The number of runs of a race. */
  get rounds(): number {
    return this.engine.rounds ?? DEFAULT_ROUNDS
  }

  /** @param name a sentence that describes the behaviour. */
  test(name: string, needs: readonly Need[], body: (scene: Scene) => Promise<void>): void {
    const missing = needs.filter((need) => this.engine.capabilities[need] !== true)
    const skip = missing.length > 0 && `the engine is not: ${missing.join(', ')}`
    test(name, { skip, timeout: this.engine.timeoutMs ?? DEFAULT_TIMEOUT_MS }, async () => {
      const scene = await Scene.open(this.engine)
      let isDone = false
      try {
        await body(scene)
        isDone = true
        await scene.checkFree()
      } finally {
        // After a failure, closing may fail, too, which must not hide the first failure.
        if (isDone) await scene.close()
        else await scene.close().catch(() => undefined)
      }
    })
  }

  /** As {@link test}, for tests with random choices: the seed is in the name. */
  testRandomly(
    name: string,
    needs: readonly Need[],
    body: (scene: Scene, random: Random) => Promise<void>,
    variant = 0,
  ): void {
    const seed = (this.#seed + variant) >>> 0
    this.test(`${name} (seed ${seed})`, needs, (scene) => body(scene, new Random(seed)))
  }
}
