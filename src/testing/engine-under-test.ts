/** What the conformance suite needs to know about an engine. */
import type { Engine, EngineCapabilities } from '../requests/engine.ts'

/** What the tests expect of an engine. */
export interface ConformanceCapabilities extends EngineCapabilities {
  /** Whether a lock is free as soon as `release` was called, before its promise has settled. */
  readonly releasesAtOnce: boolean
}

/** An engine to test, and how to create clients of it. */
export interface EngineUnderTest {
  /** The name of the engine, for the names of the tests. */
  readonly name: string
  /** What the engine supports. It must agree with the engine's own `capabilities`. Tests of what is missing are skipped. */
  readonly capabilities: ConformanceCapabilities
  /**
   * Creates another client of the same locks, with its own connection, socket or session. It may run in this process, or stand for a client
   * elsewhere.
   */
  openClient(): Engine | Promise<Engine>
  /** Closes a client that {@link openClient} has created. By then it holds nothing and waits for nothing. Default: does nothing. */
  closeClient?(client: Engine): void | Promise<void>
  /** Returns the name of a lock that was never used before. Called at least once for each test. */
  resource(): string | Promise<string>
  /** The `lingerMs` of all requests, in milliseconds. Default: `0`. */
  readonly lingerMs?: number
  /** How often each test of a race is repeated. Use fewer for an engine with a slow network. Default: `100`. */
  readonly rounds?: number
  /** The time limit of one test, in milliseconds. Default: `60_000`. */
  readonly timeoutMs?: number
  /** The seed of the random choices. It is part of the tests' names, so that a failure shows it. Default: random. */
  readonly seed?: number
}
