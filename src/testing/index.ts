/** The conformance suite: tests of `node:test` that every engine has to pass. */
import { describe } from 'node:test'
import type { EngineUnderTest } from './engine-under-test.ts'
import { testBodies } from './bodies.ts'
import { testCancelling } from './cancelling.ts'
import { testClaims } from './claims.ts'
import { testExclusion } from './exclusion.ts'
import { testHandles } from './handles.ts'
import { testOrder } from './order.ts'
import { testDowngrades } from './downgrades.ts'
import { testGroups } from './groups.ts'
import { testPermits } from './permits.ts'
import { testQuery } from './query.ts'
import { testRaces } from './races.ts'
import { testRandomPrograms } from './random-programs.ts'
import { Suite } from './suite.ts'
import { testSeveralPermits } from './several-permits.ts'
import { testStealing } from './stealing.ts'
import { testTimeouts } from './timeouts.ts'
import { testTries } from './tries.ts'
import { testWaitNotices } from './wait-notices.ts'

/**
 * Registers the conformance tests of an engine with `node:test`. Every engine of this package passes them. Run them with your own engine before you rely
 * on it.
 *
 * The tests run in one process, with several clients. They don't test that a lock is free after its holder has crashed, since only the engine
 * knows how to kill a client.
 *
 * ```js
 * import { memory, MemoryStore } from 'slocket'
 * import { testEngine } from 'slocket/testing'
 *
 * const store = new MemoryStore()
 * let resources = 0
 *
 * testEngine({
 *   name: 'memory',
 *   capabilities: { ordered: true, shared: true, permits: true, take: true, recovered: false, steal: true, downgrade: true, releasesAtOnce: true },
 *   openClient: () => memory(store),
 *   resource: () => `resource-${(resources += 1)}`,
 * })
 * ```
 *
 * @param engine the engine, and what to expect from it. Tests of capabilities that it lacks are skipped.
 */
export function testEngine(engine: EngineUnderTest): void {
  describe(`${engine.name}: conformance`, () => {
    const suite = new Suite(engine)
    testExclusion(suite)
    testHandles(suite)
    testOrder(suite)
    testGroups(suite)
    testClaims(suite)
    testDowngrades(suite)
    testPermits(suite)
    testSeveralPermits(suite)
    testTries(suite)
    testStealing(suite)
    testCancelling(suite)
    testTimeouts(suite)
    testWaitNotices(suite)
    testRaces(suite)
    testQuery(suite)
    testBodies(suite)
    testRandomPrograms(suite)
  })
}

export type { ConformanceCapabilities, EngineUnderTest } from './engine-under-test.ts'
export type {
  AcquireRequest,
  Engine,
  EngineCapabilities,
  EngineSnapshot,
  Grant,
  Requester,
} from '../requests/engine.ts'
export type { Obstacle, ObstacleKind } from '../requests/obstacle.ts'
export type { Claim, ExclusiveClaim, PermitClaim, SharedClaim } from '../core/claim.ts'
