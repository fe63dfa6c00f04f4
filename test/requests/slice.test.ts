import { clock } from '../helpers/fakeable-time.ts'
import assert from 'node:assert/strict'
import { beforeEach, describe, test } from 'node:test'
import type { AcquireRequest, Grant } from '../../src/requests/engine.ts'
import { withdrawAllKept } from '../../src/requests/kept-tickets.ts'
import { EXCLUSIVE, SHARED } from '../../src/core/claim.ts'
import type { EnqueueRequest } from '../../src/requests/ticket-queue.ts'
import type { FakeTicket } from './scripted-queue.ts'
import { RequestScene } from './scene.ts'
import { gate, settle } from './scripted-queue.ts'

const SLICE_MS = 50

let nowMs = 0

class SliceScene extends RequestScene {
  readonly order: string[] = []

  ask(label: string, change: Partial<AcquireRequest> = {}): Promise<Grant | null> {
    return this.acquire({ label, sliceMs: SLICE_MS, ...change })
  }

  /** Asks, notes the grant, and releases. */
  async use(label: string, change: Partial<AcquireRequest> = {}): Promise<void> {
    const grant = await this.ask(label, change)
    this.order.push(label)
    await grant!.release()
  }

  get ids(): string[] {
    return this.queue.tickets.map(({ id }) => id)
  }

  called(name: string): number {
    return this.queue.calls.filter((call) => call.startsWith(name)).length
  }
}

describe('a slice', () => {
  beforeEach(() => {
    nowMs = 0
    clock.now = () => nowMs
  })

  test('a loop of acquire and release keeps its ticket, and costs one listing', async () => {
    const scene = new SliceScene()
    const tokens: bigint[] = []
    for (let round = 0; round < 100; round += 1) {
      const grant = (await scene.ask('loop'))!
      tokens.push(grant.token)
      await grant.release()
    }
    assert.equal(scene.called('enqueue'), 1)
    assert.equal(scene.called('list') + scene.called('isLast'), 1)
    assert.equal(new Set(tokens).size, 100)
    await settle()
    assert.deepEqual(scene.ids, [])
    assert.ok(scene.isIdle)
  })

  test('without a slice, the ticket leaves with the release', async () => {
    const scene = new SliceScene()
    await scene.use('a', { sliceMs: 0 })
    assert.deepEqual(scene.ids, [])
  })

  test('without further requests, the ticket leaves at the end of the turn, although the slice continues', async () => {
    const scene = new SliceScene()
    await scene.use('a')
    assert.equal(scene.ids.length, 1)
    await new Promise((resolve) => setImmediate(resolve))
    assert.deepEqual(scene.ids, [])
    assert.ok(scene.isIdle)
  })

  test('requests overtake a waiter for as long as the slice lasts, and not for longer', async () => {
    const scene = new SliceScene()
    await scene.use('first')
    const stranger = scene.queue.stranger('behind')
    nowMs = SLICE_MS - 1
    await scene.use('second')
    const held = (await scene.ask('third'))!
    const waiting = [scene.use('fourth'), scene.use('fifth')]
    await settle()
    nowMs = SLICE_MS
    await held.release()
    await settle()
    assert.deepEqual(scene.order, ['first', 'second'])
    assert.deepEqual(scene.ids, ['behind', '2'])
    scene.queue.remove(stranger)
    await Promise.all(waiting)
    assert.deepEqual(scene.order, ['first', 'second', 'fourth', 'fifth'])
  })

  test('a request made before the waiter joined is served after the slice, a later one is not', async () => {
    const scene = new SliceScene()
    const held = (await scene.ask('first'))!
    nowMs = SLICE_MS
    const early = scene.use('early')
    await settle()
    nowMs += 1
    scene.queue.stranger('behind')
    const late = scene.use('late')
    await settle()
    nowMs += SLICE_MS
    await held.release()
    await early
    await settle()
    assert.deepEqual(scene.order, ['early'])
    assert.deepEqual(scene.ids, ['behind', '2'])
    scene.queue.remove(scene.queue.tickets[0]!)
    await late
  })

  test('when the slice is over and nobody is behind, a new one begins', async () => {
    const scene = new SliceScene()
    await scene.use('a')
    nowMs = 3 * SLICE_MS
    await scene.use('b')
    scene.queue.stranger('behind')
    nowMs += SLICE_MS - 1
    await scene.use('c')
    assert.equal(scene.called('enqueue'), 1)
    assert.equal(scene.called('isLast'), 1)
    nowMs += 1
    void scene.use('d')
    await settle()
    assert.deepEqual(scene.ids, ['behind', '2'])
  })

  test('when the slice is over and the last listing showed somebody behind, there is no other listing', async () => {
    const scene = new SliceScene()
    const ahead = scene.queue.stranger('ahead')
    const asked = scene.ask('first')
    await settle()
    const behind = scene.queue.stranger('behind')
    scene.queue.remove(ahead)
    const held = (await asked)!
    const bySlice = scene.use('second')
    await settle()
    nowMs = SLICE_MS
    // Neither a release nor a request that has joined by the slice lists. The ticket behind may have gone: then the hand-over costs a new ticket.
    scene.queue.remove(behind)
    await held.release()
    await bySlice
    await scene.use('third')
    assert.deepEqual(scene.order, ['second', 'third'])
    assert.equal(scene.called('isLast'), 0)
    assert.equal(scene.called('enqueue'), 2)
    await settle()
    assert.ok(scene.isIdle)
  })

  test("a slice counts from the ticket's turn, however long that has waited", async () => {
    const scene = new SliceScene()
    const ahead = scene.queue.stranger('ahead')
    const first = scene.ask('a')
    await settle()
    scene.queue.stranger('behind')
    nowMs = 10 * SLICE_MS
    scene.queue.remove(ahead)
    const held = (await first)!
    const second = scene.ask('b')
    await held.release()
    const next = (await second)!
    assert.deepEqual(scene.ids, ['1', 'behind'])
    nowMs += SLICE_MS
    const third = scene.use('c')
    await next.release()
    await settle()
    assert.deepEqual(scene.ids, ['behind', '2'])
    scene.queue.remove(scene.queue.tickets[0]!)
    await third
  })

  test('a request that waits for its turn is served after a listing, not by the slice', async () => {
    const scene = new SliceScene()
    const ahead = scene.queue.stranger('ahead')
    const first = scene.use('first')
    await settle()
    scene.queue.stranger('behind')
    const second = scene.use('second')
    await settle()
    assert.deepEqual(scene.ids, ['ahead', '1', 'behind', '2'])
    scene.queue.remove(ahead)
    await first
    scene.queue.remove(scene.queue.tickets.find(({ id }) => id === 'behind')!)
    await second
  })

  test('a try that has overtaken an entering request serves nobody ahead of that one', async () => {
    const scene = new SliceScene()
    const entering = gate()
    let request: EnqueueRequest | undefined
    const enqueue = scene.queue.enqueue.bind(scene.queue)
    scene.queue.enqueue = (asked) => {
      if (request !== undefined) return enqueue(asked)
      request = asked
      return entering.promise.then(() => scene.queue.join(asked))
    }
    const first = scene.use('first')
    const attempt = (await scene.ask('try', { wait: false }))!
    entering.open()
    await settle()
    const late = scene.use('late')
    await settle()
    await attempt.release()
    await Promise.all([first, late])
    assert.deepEqual(scene.order, ['first', 'late'])
  })

  test('the shortest requested slice counts', async () => {
    const scene = new SliceScene()
    await scene.use('a', { sliceMs: 1000 })
    scene.queue.stranger('behind')
    nowMs = 20
    await scene.use('b', { sliceMs: 30 })
    assert.deepEqual(scene.ids, ['1', 'behind'])
    nowMs = 30
    void scene.use('c', { sliceMs: 1000 })
    await settle()
    assert.deepEqual(scene.ids, ['behind', '2'])
    assert.deepEqual(scene.order, ['a', 'b'])
  })

  test('a request without a slice queues behind the waiters', async () => {
    const scene = new SliceScene()
    const held = (await scene.ask('a'))!
    scene.queue.stranger('behind')
    void scene.use('b', { sliceMs: 0 })
    await settle()
    assert.deepEqual(scene.ids, ['1', 'behind', '2'])
    await held.release()
    assert.deepEqual(scene.ids, ['behind', '2'])
  })

  test('a ticket that a request without a slice uses leaves with the last release', async () => {
    const scene = new SliceScene()
    const held = (await scene.ask('a'))!
    nowMs = SLICE_MS
    const without = scene.ask('b', { sliceMs: 0 })
    await settle()
    await held.release()
    assert.deepEqual(scene.ids, ['1'])
    await (await without)!.release()
    assert.deepEqual(scene.ids, [])
  })

  test('a request with another claim comes after earlier requests, wherever they are placed', async () => {
    const scene = new SliceScene()
    const held = (await scene.ask('a'))!
    const stranger = scene.queue.stranger('behind')
    const all = [scene.use('b'), scene.use('c')]
    await settle()
    all.push(scene.use('d', { claim: SHARED }))
    await settle()
    assert.deepEqual(
      scene.queue.tickets.map(({ id, claim }) => `${id} ${claim.kind}`),
      ['1 exclusive', 'behind exclusive', '2 exclusive', '3 shared'],
    )
    await held.release()
    assert.deepEqual(scene.ids, ['behind', '2', '3'], 'while its process has another ticket, none is kept')
    scene.queue.remove(stranger)
    await Promise.all(all)
    assert.deepEqual(scene.order, ['b', 'c', 'd'])
  })

  test('a request with any claim gets the lock at once, although the ticket is kept', async () => {
    for (const change of [
      { wait: false },
      { wait: false, sliceMs: 0 },
      { claim: SHARED },
      { claim: SHARED, wait: false },
    ]) {
      const scene = new SliceScene()
      await scene.use('a')
      await scene.use('b', change)
      assert.deepEqual(scene.order, ['a', 'b'])
      await settle()
      assert.deepEqual(scene.ids, [])
    }
  })

  test('a kept ticket serves no request for another claim, and no thief: they have tickets of their own', async () => {
    for (const change of [{ claim: SHARED }, { steal: true }]) {
      const scene = new SliceScene()
      await scene.use('a')
      const granted = await scene.ask('b', change)
      const [ticket] = scene.queue.tickets as FakeTicket[]
      assert.deepEqual([ticket!.claim, ticket!.request.steal], [change.claim ?? EXCLUSIVE, change.steal === true])
      await granted!.release()
    }
  })

  test('a request that finds a kept ticket is granted in the call; one whose signal aborts right after the call is not', async () => {
    const scene = new SliceScene()
    await scene.use('a')
    const controller = new AbortController()
    const aborted = scene.ask('b', { signal: controller.signal })
    controller.abort(new Error('no longer needed'))
    await assert.rejects(aborted, /no longer needed/)
    await scene.use('c')
    const granted = scene.ask('d')
    assert.deepEqual(
      scene.queue.only.request.requests().map(({ label }) => label),
      ['d'],
    )
    await (await granted)!.release()
    assert.equal(scene.called('enqueue'), 1)
  })

  test('shared requests have no slice, and leave as usual', async () => {
    const scene = new SliceScene()
    await scene.use('a', { claim: SHARED })
    assert.deepEqual(scene.ids, [])
  })

  test('a kept ticket that was removed grants nothing: the request joins again', async () => {
    const scene = new SliceScene()
    Object.assign(scene.queue, {
      isHeld: (own: FakeTicket) => {
        if (scene.queue.tickets.includes(own)) return true
        own.request.onLost(new Error('lost'))
        return false
      },
    })
    await scene.use('a')
    scene.queue.tickets = []
    const stranger = scene.queue.stranger('other')
    const next = scene.use('b')
    await settle()
    assert.deepEqual(scene.order, ['a'])
    assert.deepEqual(scene.ids, ['other', '2'])
    scene.queue.remove(stranger)
    await next
  })

  test('a kept ticket that is lost or stolen ends, without a notification', async () => {
    for (const how of ['onLost', 'onStolen'] as const) {
      const scene = new SliceScene()
      const grant = (await scene.ask('a'))!
      grant.onLost(() => assert.fail('it does not hold'))
      await grant.release()
      scene.queue.only.request[how](new Error('gone'))
      assert.deepEqual(scene.ids, [])
      await scene.use('b')
      assert.equal(scene.called('enqueue'), 2)
    }
  })

  test('a kept ticket is withdrawn when the thread is about to block', async () => {
    const scenes = [new SliceScene(), new SliceScene()]
    for (const scene of scenes) await scene.use('a')
    withdrawAllKept()
    for (const scene of scenes) assert.deepEqual(scene.ids, [])
    for (const scene of scenes) await scene.use('b')
  })

  test('a kept ticket reports no holder', async () => {
    const scene = new SliceScene()
    const grant = (await scene.ask('a'))!
    const { request } = scene.queue.only
    assert.equal(request.isKept, false)
    await grant.release()
    assert.equal(request.isKept, true)
    assert.deepEqual(request.requests(), [])
    assert.equal(grant.isHeld!(), false)
  })

  test('while the process exits, a release withdraws the ticket, and a kept ticket grants nothing', async () => {
    const self: { _exiting?: boolean } & object = process
    const scene = new SliceScene()
    const held = (await scene.ask('a'))!
    self._exiting = true
    void held.release()
    assert.deepEqual(scene.ids, [])
    delete self._exiting
    await scene.use('b')
    const kept = scene.queue.only
    // What leaves at exit takes it out, and it does not notice.
    scene.queue.remove(kept)
    self._exiting = true
    const next = scene.ask('c')
    for (let count = 0; count < 5; count += 1) await Promise.resolve()
    delete self._exiting
    await (await next)!.release()
    assert.equal(scene.called('enqueue'), 3)
  })

  test('a release whose listing fails withdraws the ticket', async () => {
    const scene = new SliceScene()
    const held = (await scene.ask('a'))!
    nowMs = SLICE_MS
    scene.queue.instead.set('isLast', () => {
      throw new Error('cannot look')
    })
    await held.release()
    assert.deepEqual(scene.ids, [])
  })

  test('a request that gives up during the slice does not affect the others', async () => {
    const scene = new SliceScene()
    const held = (await scene.ask('a'))!
    const stranger = scene.queue.stranger('behind')
    const controller = new AbortController()
    const quitter = scene.ask('b', { signal: controller.signal })
    const next = scene.use('c')
    await settle()
    controller.abort()
    await assert.rejects(quitter)
    nowMs = SLICE_MS
    await held.release()
    await settle()
    assert.deepEqual(scene.ids, ['behind', '2'])
    scene.queue.remove(stranger)
    await next
  })
})
