// The session of an engine, on a client that a test makes answer.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { monotonicNowMs } from '../../src/real-time.ts'
import { Cancellation } from '../../src/requests/cancellation.ts'
import type { EtcdClient } from '../../src/engines/etcd/client.ts'
import { Sessions } from '../../src/engines/etcd/sessions.ts'
import type { WatchStream } from '../../src/engines/etcd/watch-stream.ts'
import { SlocketError } from '../../src/errors.ts'
import { turn } from '../../src/testing/random.ts'

interface Asked {
  readonly sinceMs: number
  readonly resolve: (answer: object) => void
  readonly reject: (error: unknown) => void
}

function openScene(): { sessions: Sessions; grants: Asked[] } {
  const grants: Asked[] = []
  const ask = (method: string, _request: object, { sinceMs }: { readonly sinceMs: number }): Promise<object> => {
    if (method !== 'LeaseGrant') return Promise.resolve({ header: { revision: '1' } })
    return new Promise((resolve, reject) => grants.push({ sinceMs, resolve, reject }))
  }
  const client = { ask } as unknown as EtcdClient
  const watches = { watch: () => () => undefined } as unknown as WatchStream
  return { sessions: new Sessions({ client, watches, namespace: 'ns', ttlSeconds: 10 }), grants }
}

const unreachable = new SlocketError('ERR_SLOCKET_UNREACHABLE', 'nothing answers')

describe('a request that needs a session in etcd while one is being opened', () => {
  test('does not fail together with much earlier requests: all later requests retry once, together', async () => {
    const { sessions, grants } = openScene()
    const outcomes: unknown[] = []
    const ask = (sinceMs: number, cancellation = new Cancellation()): void =>
      void Promise.resolve(sessions.current(cancellation, sinceMs)).then(
        (session) => outcomes.push(session?.lease),
        (error: unknown) => outcomes.push(error),
      )
    const leaving = new Cancellation()
    // Some time ago, however young the process is.
    const agoMs = monotonicNowMs() - 1000
    ask(agoMs + 100)
    ask(agoMs + 200)
    ask(agoMs + 300)
    ask(agoMs + 400, leaving)
    assert.deepEqual(
      grants.map(({ sinceMs }) => sinceMs),
      [agoMs + 100],
    )
    leaving.cancel()
    grants[0]!.reject(unreachable)
    await turn()
    assert.deepEqual(outcomes, [undefined, unreachable])
    assert.equal(grants.length, 2)
    assert.ok(grants[1]!.sinceMs > agoMs + 400, 'with a patience of its own')
    grants[1]!.reject(unreachable)
    await turn()
    assert.deepEqual(outcomes, [undefined, unreachable, unreachable, unreachable])
    assert.equal(grants.length, 2)
  })

  test('uses the session that is opened then', async () => {
    const { sessions, grants } = openScene()
    const [early, late] = [100, 200].map(async (sinceMs) => await sessions.current(new Cancellation(), sinceMs))
    grants[0]!.reject(unreachable)
    await assert.rejects(early!, unreachable)
    await turn()
    grants[1]!.resolve({ id: '77', ttl: '10' })
    assert.equal((await late)!.lease, '77')
  })

  test('fails at once for any other reason', async () => {
    const { sessions, grants } = openScene()
    const asking = [100, 200].map(async (sinceMs) => await sessions.current(new Cancellation(), sinceMs))
    const refused = new SlocketError('ERR_SLOCKET_PERMISSION', 'refused')
    grants[0]!.reject(refused)
    for (const one of asking) await assert.rejects(one, refused)
    assert.equal(grants.length, 1)
  })
})
