// Many requests and few connections. The sessions that the room opens never come.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { EXCLUSIVE } from '../../src/core/claim.ts'
import { parsePostgresOptions } from '../../src/engines/postgres/options.ts'
import { Request } from '../../src/engines/postgres/request.ts'
import { scopeOf } from '../../src/engines/postgres/scope.ts'
import { Sessions } from '../../src/engines/postgres/sessions.ts'
import type { Statements } from '../../src/engines/postgres/statements.ts'
import type { WaitingRoomParts } from '../../src/engines/postgres/waiting-room.ts'
import { WaitingRoom } from '../../src/engines/postgres/waiting-room.ts'

const REQUESTS = 1000

test('a new request does not look at all those before it, and neither does one that is cancelled', async (context) => {
  const settings = parsePostgresOptions({ maxConnections: 2 })
  const room = new WaitingRoom({
    open: async () => await new Promise<never>(() => undefined),
    settings,
    scope: scopeOf(settings),
    now: () => 0,
  } as unknown as WaitingRoomParts)
  const { mock } = context.mock.method(Sessions.prototype, 'hasRoomFor')
  const controllers = Array.from({ length: REQUESTS }, () => new AbortController())
  const requests = controllers.map(
    async ({ signal }, index) =>
      await new Promise((resolve, reject) => {
        const asked = { claim: EXCLUSIVE, wait: true, signal, lingerMs: 0 } as const
        const statements = { key: BigInt(index), name: String(index) } as Statements
        room.enter(new Request(asked, statements, { resolve, reject }))
      }),
  )
  for (const controller of controllers) controller.abort()
  const outcomes = await Promise.allSettled(requests)
  assert.deepEqual(new Set(outcomes.map(({ status }) => status)), new Set(['rejected']))
  assert.ok(mock.callCount() < 5 * REQUESTS, `${mock.callCount()} looks`)
})
