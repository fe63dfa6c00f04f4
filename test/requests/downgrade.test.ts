/** Downgrades of a holder whose group serves by a slice. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { AcquireRequest, Engine, Grant } from '../../src/requests/engine.ts'
import { EXCLUSIVE, SHARED } from '../../src/core/claim.ts'
import { memory, MemoryStore } from '../../src/index.ts'
import { RequestScene } from './scene.ts'

const LONG_MS = 600_000

function acquire(engine: Engine, change: Partial<AcquireRequest> = {}): Promise<Grant | null> {
  return engine.acquire('lock', { claim: EXCLUSIVE, wait: true, lingerMs: 0, sliceMs: LONG_MS, ...change })
}

describe('a downgrade, with a slice', () => {
  test('grants requests that came before those that have joined by the slice', async () => {
    const [a, b] = clients()
    const holder = (await acquire(a))!
    const reading = acquire(b, { claim: SHARED })
    let hasOwn = false
    const own = acquire(a).then((grant) => {
      hasOwn = true
      return grant!
    })
    await turn()
    await holder.downgrade!()
    const reader = (await reading)!
    await holder.release()
    await turn()
    assert.equal(hasOwn, false)
    await reader.release()
    await (await own).release()
  })

  test('ends the slice: the ticket is not kept after the release', async () => {
    const [a, b] = clients()
    const holder = (await acquire(a))!
    await holder.downgrade!()
    void holder.release()
    const next = await acquire(b, { wait: false })
    assert.notEqual(next, null)
    await next!.release()
  })

  test('changes nothing if it cannot be determined who came first, and can be repeated', async () => {
    const scene = new RequestScene()
    const { queue } = scene
    let isShared = false
    Object.assign(queue, { downgrade: () => (isShared = true) })
    const holder = (await scene.acquire({ sliceMs: LONG_MS }))!
    const reader = queue.stranger('reader', SHARED)
    const own = scene.acquire({ sliceMs: LONG_MS })
    await turn()
    queue.instead.set('isLast', () => {
      throw new Error('cannot look')
    })
    assert.throws(() => holder.downgrade!(), /cannot look/)
    queue.instead.delete('isLast')
    await holder.downgrade!()
    assert.equal(isShared, true)
    await holder.release()
    await turn()
    assert.deepEqual(
      queue.tickets.map(({ id }) => id),
      ['reader', '2'],
    )
    queue.remove(reader)
    await (await own)!.release()
  })

  test('does not let later requests in: they have their own ticket', async () => {
    const [a, b] = clients()
    const holder = (await acquire(a))!
    await holder.downgrade!()
    const late = acquire(a)
    await turn()
    assert.equal(await acquire(b, { claim: SHARED, wait: false }), null)
    await holder.release()
    await (await late)!.release()
  })
})

function clients(): [Engine, Engine] {
  const store = new MemoryStore()
  return [memory(store), memory(store)]
}

async function turn(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve))
}
