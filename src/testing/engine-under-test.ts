/** What the conformance suite has to be told of an engine. */
import type { Engine, EngineCapabilities } from '../contract/engine.ts'

/** What to expect of an engine. */
export interface ConformanceCapabilities extends EngineCapabilities {
  /** Whether a lock is free as soon as `release` was called, before its promise has settled. */
  readonly releasesAtOnce: boolean
}

/** An engine, and how to get clients of it. */
export interface EngineUnderTest {
  /** For the names of the tests. */
  readonly name: string
  /** Must agree with what the engine says of itself. What it lacks is skipped, not tested to be missing. */
  readonly capabilities: ConformanceCapabilities
  /**
   * Makes one more client: one participant among those who lock the same resources, with its own connection, socket
   * or session. May be in this process or stand for one elsewhere.
   */
  openClient(): Engine | Promise<Engine>
  /** Ends a client that {@link openClient} made. By then it holds nothing and waits for nothing. Default: does nothing. */
  closeClient?(client: Engine): void | Promise<void>
  /** Names a lock that nobody has used before. Called at least once for each test. */
  resource(): string | Promise<string>
  /** The `lingerMs` of all requests. Default: 0. */
  readonly lingerMs?: number
  /** How often each race is run. Fewer for an engine with a slow network. Default: 100. */
  readonly rounds?: number
  /** How long one test may take, in ms. Default: 60,000. */
  readonly timeoutMs?: number
  /** Where the random choices start. It is part of the tests' names, so that a failure tells it. Default: random. */
  readonly seed?: number
}
