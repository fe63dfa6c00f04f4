// A server that has fewer connections than the engine may use. What it says, and the clock, are the test's.
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { keepAlive } from '../../src/engines/keep-alive.ts'
import { parsePostgresOptions } from '../../src/engines/postgres/options.ts'
import type { Session } from '../../src/engines/postgres/session.ts'
import { scopeOf } from '../../src/engines/postgres/scope.ts'
import { Sessions } from '../../src/engines/postgres/sessions.ts'
import { SlocketError } from '../../src/index.ts'
import { until } from '../helpers/until.ts'

// Its timers don't: requests do.
after(keepAlive())

const LINGER_MS = 60_000

class Scene {
  limit: number
  connected = 0
  attempts = 0
  nowMs = 1_000_000
  readonly sessions: Sessions

  constructor(limit: number) {
    this.limit = limit
    const settings = parsePostgresOptions({ heartbeat: 200, maxConnections: 10 })
    this.sessions = new Sessions({
      open: () => this.#open(),
      settings,
      scope: scopeOf(settings),
      now: () => this.nowMs,
      onFree: () => undefined,
    })
  }

  async #open(): Promise<Session> {
    this.attempts += 1
    await Promise.resolve()
    if (this.connected >= this.limit) {
      const cause = Object.assign(new Error('too many connections for role'), { code: '53300' })
      throw new SlocketError('ERR_SLOCKET_RESOURCES', cause.message, { cause })
    }
    this.connected += 1
    const session = { silentMs: 0, hasEnded: false, isWornOut: false, onEnd: () => () => undefined } as {
      -readonly [name in keyof Session]?: Session[name]
    }
    session.close = () => {
      this.connected -= 1
      session.hasEnded = true
      session.onClosed?.()
    }
    return session as Session
  }
}

test('requests without a connection of their own reuse freed ones, in order', async () => {
  const scene = new Scene(2)
  const got: number[] = []
  const taking = [0, 1, 2, 3, 4].map(async (index) => {
    const session = await scene.sessions.take(true, undefined)
    got.push(index)
    return session
  })
  const first = await Promise.all(taking.slice(0, 2))
  assert.equal(scene.sessions.hasRoom, false)
  assert.equal(scene.sessions.areLimitedByServer, true)
  // Without a linger, too: it is not closed while others wait for one.
  scene.sessions.release(first[0]!, 0)
  assert.equal(await taking[2], first[0])
  scene.sessions.release(first[1]!, LINGER_MS)
  assert.equal(await taking[3], first[1])
  scene.sessions.release((await taking[2])!, LINGER_MS)
  await taking[4]
  assert.deepEqual(got, [0, 1, 2, 3, 4])
  assert.equal(scene.sessions.hasRoom, true)
})

test('a waiting request is served when the server has connections again, even if none of ours was freed', async () => {
  const scene = new Scene(1)
  await scene.sessions.take(true, undefined)
  const waiting = scene.sessions.take(true, undefined)
  await until('it was refused', () => scene.attempts === 2)
  scene.limit = 2
  await waiting
  assert.equal(scene.connected, 2)
})

test('a request is refused at once if we have no connection; a try is refused in any case', async () => {
  const scene = new Scene(0)
  await assert.rejects(scene.sessions.take(true, undefined), { code: 'ERR_SLOCKET_RESOURCES' })
  scene.limit = 1
  await scene.sessions.take(true, undefined)
  await assert.rejects(scene.sessions.take(false, undefined), { code: 'ERR_SLOCKET_RESOURCES' })
  assert.equal(scene.sessions.hasRoom, true)
})

test('when our last connection has been gone for longer than the server may take to notice, all waiting requests are refused', async () => {
  const scene = new Scene(1)
  const session = await scene.sessions.take(true, undefined)
  const waiting = [1, 2, 3].map((each) =>
    assert.rejects(scene.sessions.take(true, undefined), { code: 'ERR_SLOCKET_RESOURCES' }, String(each)),
  )
  await until('they were refused', () => scene.attempts === 4)
  scene.limit = 0
  session.close()
  await until('it was tried again', () => scene.attempts > 4)
  assert.equal(scene.sessions.areLimitedByServer, true)
  scene.nowMs += 501
  await Promise.all(waiting)
  assert.equal(scene.sessions.areLimitedByServer, false)
})

test('a cancelled request leaves, and the others keep their order', async () => {
  const scene = new Scene(1)
  const session = await scene.sessions.take(true, undefined)
  const controller = new AbortController()
  const cancelled = assert.rejects(
    scene.sessions.take(true, controller.signal),
    (error) => error === controller.signal.reason,
  )
  const waiting = scene.sessions.take(true, undefined)
  await until('both were refused', () => scene.attempts === 3)
  controller.abort()
  await cancelled
  scene.sessions.release(session, 0)
  assert.equal(await waiting, session)
})
