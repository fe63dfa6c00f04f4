import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Grant } from '../../src/requests/engine.ts'
import { EXCLUSIVE, SHARED } from '../../src/core/claim.ts'
import type { FakeTicket, ScriptedQueue } from './scripted-queue.ts'
import { RequestScene } from './scene.ts'
import { gate, settle } from './scripted-queue.ts'

function ids(queue: ScriptedQueue): string[] {
  return queue.tickets.map(({ id }) => id)
}

describe('a group', () => {
  test('shared requests hold together, and the ticket leaves with the last one', async () => {
    const { queue, acquire } = new RequestScene()
    const all = await Promise.all([1, 2, 3].map(() => acquire({ claim: SHARED })))
    for (const [index, grant] of all.entries()) {
      assert.equal(queue.tickets.length, 1, `before release ${index}`)
      await grant!.release()
    }
    assert.deepEqual(queue.tickets, [])
  })

  test('a shared request that comes later joins them at once, unless another ticket is behind', async () => {
    const { queue, acquire } = new RequestScene()
    const first = (await acquire({ claim: SHARED }))!
    const second = (await acquire({ claim: SHARED, wait: false }))!
    assert.equal(queue.tickets.length, 1)
    const writer = queue.stranger('writer')
    assert.equal(await acquire({ claim: SHARED, wait: false }), null)
    const third = acquire({ claim: SHARED })
    await settle()
    assert.equal(queue.tickets.length, 3)
    await first.release()
    await second.release()
    queue.remove(writer)
    await (await third)!.release()
  })

  test('a request made while the ticket joins gets another one, behind tickets that had joined before', async () => {
    const { queue, acquire } = new RequestScene()
    const joined = queue.joinLate()
    const first = acquire()
    const other = queue.stranger('other')
    const late = [acquire(), acquire()]
    await settle()
    joined.open()
    await settle()
    assert.deepEqual(ids(queue), ['1', 'other', '2'], 'those that are made meanwhile share one')
    await (await first)!.release()
    await settle()
    assert.deepEqual(ids(queue), ['other', '2'])
    queue.remove(other)
    for (const one of late) await (await one)!.release()
    assert.deepEqual(ids(queue), [])
  })

  test('each holder gets its own token', async () => {
    const { acquire } = new RequestScene()
    const all = [1, 2, 3].map(() => acquire())
    const tokens: bigint[] = []
    for (const one of all) {
      const grant = (await one)!
      tokens.push(grant.token)
      await grant.release()
    }
    assert.deepEqual(tokens, [1n, 2n, 3n])
  })

  test('when all waiters have given up while the ticket had to join again, the new ticket leaves at once', async () => {
    const { queue, acquire } = new RequestScene()
    queue.stranger('ahead')
    const controllers = [new AbortController(), new AbortController()]
    const all = controllers.map(({ signal }) => acquire({ signal }))
    await settle()
    queue.remove(queue.tickets[1]!)
    await settle()
    assert.deepEqual(
      queue.tickets.map(({ id }) => id),
      ['ahead', '2'],
    )
    const later = new AbortController()
    all.push(acquire({ signal: later.signal }))
    await settle()
    assert.equal(queue.tickets.length, 2, 'who comes later stands by the new ticket, too')
    for (const controller of [...controllers, later]) controller.abort()
    assert.deepEqual(
      queue.tickets.map(({ id }) => id),
      ['ahead'],
    )
    for (const one of all) await assert.rejects(one)
  })

  test('a request that gives up while it joins again leaves no ticket', async () => {
    const { queue, acquire } = new RequestScene()
    queue.stranger('ahead')
    const controller = new AbortController()
    const one = acquire({ signal: controller.signal })
    await settle()
    const joining = gate<FakeTicket>()
    queue.instead.set('enqueue', () => joining.promise)
    queue.remove(queue.tickets[1]!)
    await settle()
    controller.abort()
    await assert.rejects(one)
    joining.open(queue.stranger('late') as FakeTicket)
    await settle()
    assert.deepEqual(
      queue.tickets.map(({ id }) => id),
      ['ahead'],
    )
  })

  test('when all waiters have given up, the ticket leaves', async () => {
    const { queue, acquire } = new RequestScene()
    queue.stranger('ahead')
    const controllers = [new AbortController(), new AbortController()]
    const all = controllers.map(({ signal }) => acquire({ signal }))
    await settle()
    for (const [index, one] of all.entries()) {
      assert.equal(queue.tickets.length, 2)
      controllers[index]!.abort()
      await assert.rejects(one, (error) => error === controllers[index]!.signal.reason)
    }
    await settle()
    assert.deepEqual(
      queue.tickets.map(({ id }) => id),
      ['ahead'],
    )
  })

  test('given up before the ticket has joined: no ticket is left', async () => {
    const scene = new RequestScene()
    const { queue, acquire } = scene
    const entering = gate()
    queue.instead.set('enqueue', () => entering.promise.then(() => ticket))
    let ticket: FakeTicket | null = null
    const controller = new AbortController()
    const one = acquire({ signal: controller.signal })
    await settle()
    controller.abort()
    await assert.rejects(one)
    ticket = queue.stranger('1') as FakeTicket
    entering.open()
    await settle()
    assert.deepEqual(queue.tickets, [])
    assert.ok(scene.isIdle)
  })

  test('given up in the very listing that finds its turn: the ticket leaves, and nobody holds', async () => {
    const { queue, acquire } = new RequestScene()
    const listing = gate<unknown>()
    queue.instead.set('list', () => listing.promise)
    const controller = new AbortController()
    const one = acquire({ signal: controller.signal })
    await settle()
    listing.open([...queue.tickets])
    controller.abort()
    await assert.rejects(one, (error) => error === controller.signal.reason)
    await settle()
    assert.deepEqual(queue.tickets, [])
  })

  test('given up after any number of microtasks, it rejects or holds, and leaks nothing', async () => {
    for (let ticks = 0; ticks < 30; ticks += 1) {
      const { queue, acquire } = new RequestScene()
      const controller = new AbortController()
      const one = acquire({ signal: controller.signal })
      for (let count = 0; count < ticks; count += 1) await Promise.resolve()
      controller.abort()
      const outcome = await one.catch((error: unknown) => error)
      if (outcome !== controller.signal.reason) await (outcome as Grant).release()
      await settle()
      assert.deepEqual(queue.tickets, [], `after ${ticks} microtasks`)
    }
  })

  test('when the ticket is lost, the holder is notified once, and requests that waited by it are placed again', async () => {
    const { queue, acquire } = new RequestScene()
    const held = (await acquire())!
    const waiting = [acquire(), acquire()]
    await settle()
    const told: Error[] = []
    held.onLost((error) => told.push(error))
    const lost = queue.only
    const stranger = queue.stranger('behind')
    queue.tickets.shift()
    const reason = new Error('lost')
    lost.request.onLost(reason)
    lost.request.onLost(new Error('again'))
    await settle()
    assert.deepEqual(told, [reason])
    assert.deepEqual(
      queue.tickets.map(({ id }) => id),
      ['behind', '2'],
    )
    queue.remove(stranger)
    for (const one of waiting) await (await one)!.release()
    await held.release()
    assert.deepEqual(queue.tickets, [])
  })

  test('a listener that is added after the loss is called as well', async () => {
    const { queue, acquire } = new RequestScene()
    const held = (await acquire())!
    const reason = new Error('lost')
    queue.only.request.onLost(reason)
    let told: Error | undefined
    held.onLost((error) => (told = error))
    assert.equal(told, reason)
  })

  test('waiters are placed again in order, before later requests', async () => {
    const { queue, acquire } = new RequestScene()
    await acquire()
    const order: string[] = []
    const serve = async (label: string): Promise<void> => {
      const grant = (await acquire({ label }))!
      order.push(label)
      await grant.release()
    }
    const early = ['a', 'b', 'c'].map(serve)
    await settle()
    queue.only.request.onLost(new Error('lost'))
    const late = ['d', 'e'].map(serve)
    await Promise.all([...early, ...late])
    assert.deepEqual(order, ['a', 'b', 'c', 'd', 'e'])
  })

  test('a failed release rejects', async () => {
    const { queue, acquire } = new RequestScene()
    const held = (await acquire())!
    const failure = new Error('cannot withdraw')
    queue.instead.set('withdraw', () => Promise.reject(failure))
    await assert.rejects(
      async () => await held.release(),
      (error) => error === failure,
    )
  })

  test('a failure while the ticket waits rejects all its requests, and the ticket leaves', async () => {
    const scene = new RequestScene()
    const { queue, acquire } = scene
    queue.stranger('ahead')
    const waiting = gate()
    queue.instead.set('anyChange', () => waiting.promise)
    const all = [acquire(), acquire()]
    await settle()
    const failure = new Error('cannot tell who lives')
    waiting.fail(failure)
    for (const one of all) await assert.rejects(one, (error) => error === failure)
    await settle()
    assert.deepEqual(
      queue.tickets.map(({ id }) => id),
      ['ahead'],
    )
    assert.ok(scene.isIdle)
  })

  test('a second release of a grant does not affect the next one', async () => {
    const { queue, acquire } = new RequestScene()
    const first = (await acquire())!
    const second = acquire()
    const third = acquire()
    await settle()
    await first.release()
    const held = (await second)!
    let isGranted = false
    void third.then(() => (isGranted = true))
    await first.release()
    await settle()
    assert.equal(isGranted, false)
    assert.equal(queue.tickets.length, 1)
    await held.release()
    await (await third)!.release()
  })

  test('a request that cannot be granted when its turn comes rejects, and the next one holds', async () => {
    const { queue, acquire } = new RequestScene()
    const held = (await acquire())!
    const [second, third] = [acquire(), acquire()]
    await settle()
    const error = new Error('no clock')
    queue.instead.set('granted', () => {
      queue.instead.delete('granted')
      throw error
    })
    await held.release()
    await assert.rejects(second, (reason) => reason === error)
    await (await third)!.release()
    assert.deepEqual(queue.tickets, [])
  })

  test('if none of its requests can be granted, all reject, and the ticket leaves', async () => {
    for (const claim of [EXCLUSIVE, SHARED]) {
      const scene = new RequestScene()
      const { queue, acquire } = scene
      const ahead = queue.stranger('ahead')
      const all = [acquire({ claim }), acquire({ claim })]
      await settle()
      const error = new Error('no clock')
      queue.instead.set('granted', () => {
        throw error
      })
      queue.remove(ahead)
      for (const one of all) await assert.rejects(one, (reason) => reason === error)
      assert.deepEqual(queue.tickets, [])
      assert.ok(scene.isIdle)
    }
  })

  test("describes its ticket's requests: the holder, then the waiters, in order", async () => {
    const { queue, acquire } = new RequestScene()
    const held = (await acquire({ label: 'holder' }))!
    const controller = new AbortController()
    const quitter = acquire({ label: 'quitter', signal: controller.signal })
    const waiting = acquire({ label: 'waiting' })
    await settle()
    const labels = (): unknown => queue.only.request.requests().map(({ label }) => label)
    assert.deepEqual(labels(), ['holder', 'quitter', 'waiting'])
    controller.abort()
    await assert.rejects(quitter)
    assert.deepEqual(labels(), ['holder', 'waiting'])
    await held.release()
    const last = (await waiting)!
    assert.deepEqual(labels(), ['waiting'])
    await last.release()
  })
})
