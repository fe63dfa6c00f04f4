// When a lock counts as lost, against a server that answers when the test says so. The clock is the test's too.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Row, SqlClient } from '../../src/engines/postgres/client.ts'
import { Heartbeat } from '../../src/engines/postgres/heartbeat.ts'
import { Session } from '../../src/engines/postgres/session.ts'
import { isSlocketError } from '../../src/index.ts'
import { until } from '../helpers/until.ts'

const EVERY_MS = 20
const PATIENCE_MS = 100_000

class Scripted implements SqlClient {
  readonly processID = 7
  readonly connectionParameters = {}
  readonly asked: ((rows: Row[]) => void)[] = []
  isDestroyed = false
  readonly connection = {
    flush: () => undefined,
    stream: {
      once: () => undefined,
      ref: () => undefined,
      unref: () => undefined,
      destroy: () => (this.isDestroyed = true),
    } as never,
  }
  connect(): Promise<void> {
    return Promise.resolve()
  }
  query(): Promise<{ rows: Row[] }> {
    return new Promise((resolve) => this.asked.push((rows) => resolve({ rows })))
  }
  end(): Promise<void> {
    return Promise.resolve()
  }
  on(): void {}
}

async function watched(): Promise<{
  client: Scripted
  heartbeat: Heartbeat
  session: Session
  lost: Error[]
  clock: { nowMs: number }
}> {
  const client = new Scripted()
  const clock = { nowMs: 1000 }
  const lost: Error[] = []
  const now = (): number => clock.nowMs
  const session = await Session.open({ make: () => client, patienceMs: PATIENCE_MS, now, prelude: '' })
  session.pid = 7
  const onLost = (error: Error): void => void lost.push(error)
  const parts = { session, everyMs: EVERY_MS, patienceMs: PATIENCE_MS, now, statement: () => 'SELECT', onLost }
  return { client, heartbeat: new Heartbeat(parts), session, lost, clock }
}

test('an answer counts from the time of the question, not of its arrival', async () => {
  const { client, heartbeat, session, lost, clock } = await watched()
  clock.nowMs += EVERY_MS
  await until('it asks', () => client.asked.length === 1)
  const askedMs = clock.nowMs
  // The answer is long under way: the process was stopped, maybe.
  clock.nowMs = askedMs + PATIENCE_MS - 1
  client.asked[0]!([{ pid: '7' }])
  await until('the answer is read', () => session.aliveAtMs >= askedMs)
  assert.equal(session.aliveAtMs, askedMs)
  assert.equal(heartbeat.check(), true)
  clock.nowMs = askedMs + PATIENCE_MS
  assert.equal(heartbeat.check(), false)
  assert.equal(lost.length, 1)
  assert.ok(isSlocketError(lost[0], 'ERR_SLOCKET_LOST'))
  assert.equal(client.isDestroyed, true, 'the server is to free what the session holds')
})

test('without an answer the lock is lost, noticed by the first check; it does not come back', async () => {
  const { client, heartbeat, lost, clock } = await watched()
  clock.nowMs += PATIENCE_MS - 1
  assert.equal(heartbeat.check(), true)
  clock.nowMs += 1
  assert.equal(heartbeat.check(), false)
  assert.equal(lost.length, 1)
  for (const answer of client.asked) answer([{ pid: '7' }])
  clock.nowMs -= PATIENCE_MS
  assert.equal(heartbeat.check(), false)
  assert.equal(lost.length, 1)
})

test('an answer from another server process ends the session', async () => {
  const { client, lost, clock } = await watched()
  clock.nowMs += EVERY_MS
  await until('it asks', () => client.asked.length === 1)
  client.asked[0]!([{ pid: '8' }])
  await until('it is lost', () => lost.length === 1)
  assert.ok(isSlocketError(lost[0], 'ERR_SLOCKET_POOLER'))
})

test('statements are executed one at a time, in order; those behind one that breaks the session are not', async () => {
  const { client, session } = await watched()
  const answered: number[] = []
  const asking = [1, 2, 3].map((number) =>
    session.run(`SELECT ${number}`, { doing: 'test' }).then(() => answered.push(number)),
  )
  assert.equal(client.asked.length, 1)
  client.asked[0]!([])
  await until('the second is sent', () => client.asked.length === 2)
  await asking[0]
  assert.deepEqual(answered, [1])
  session.end(new Error('ended'))
  client.asked[1]!([])
  await assert.rejects(asking[1]!)
  await assert.rejects(asking[2]!)
  assert.equal(client.asked.length, 2)
})

test('a released lock is not lost', async () => {
  const { heartbeat, session, lost } = await watched()
  heartbeat.stop()
  session.end(new Error('ended'))
  assert.deepEqual(lost, [])
})
