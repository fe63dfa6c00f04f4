import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { AcquireRequest, Grant } from '../../src/requests/engine.ts'
import { permitClaim } from '../../src/core/claim.ts'
import type { EnqueueRequest } from '../../src/requests/ticket-queue.ts'
import type { FakeTicket, ScriptedQueue } from './scripted-queue.ts'
import { RequestScene } from './scene.ts'
import { gate, settle } from './scripted-queue.ts'

const TWO = permitClaim(2)
const THREE = permitClaim(3)

/** Two permits are held by others, so nobody of this process holds. */
function blockedScene(): { scene: RequestScene; free: () => void } {
  const scene = new RequestScene()
  const strangers = [scene.queue.stranger('s-1', TWO), scene.queue.stranger('s-2', TWO)]
  return { scene, free: () => scene.queue.remove(strangers.pop()!) }
}

function ask(scene: RequestScene, label: string, change: Partial<AcquireRequest> = {}): Promise<Grant | null> {
  return scene.acquire({ claim: TWO, label, ...change })
}

function ids(queue: ScriptedQueue): string[] {
  return queue.tickets.map(({ id }) => id)
}

function own(queue: ScriptedQueue): EnqueueRequest[] {
  return queue.tickets.flatMap((ticket) => ('request' in ticket ? [(ticket as FakeTicket).request] : []))
}

/** Uses each grant for a turn of the event loop. Resolves with the labels in the order of the grants. */
async function serveAll(asked: ReadonlyMap<string, Promise<Grant | null>>): Promise<string[]> {
  const order: string[] = []
  await Promise.all(
    [...asked].map(async ([label, one]) => {
      const grant = await one
      order.push(label)
      await settle()
      await grant!.release()
    }),
  )
  return order
}

describe('requests of one process for permits', () => {
  test('a request made while a ticket joins gets another one, behind tickets that had joined before', async () => {
    const { scene, free } = blockedScene()
    const { queue } = scene
    const first = ask(scene, 'first')
    const joined = queue.joinLate()
    const second = ask(scene, 'second')
    await settle()
    const other = queue.stranger('other', TWO)
    const late = ask(scene, 'late')
    await settle()
    joined.open()
    await settle()
    assert.deepEqual(ids(queue), ['s-1', 's-2', '1', '2', 'other', '3'])
    free()
    await (await first)!.release()
    await (await second)!.release()
    await settle()
    assert.deepEqual(ids(queue), ['s-1', 'other', '3'])
    queue.remove(other)
    await (await late)!.release()
  })

  test('a ticket that serves the next request leaves at most as many waiting tickets as requests', async () => {
    const { scene, free } = blockedScene()
    const { queue } = scene
    // By a ticket of its own, and the others by three.
    const asked = ['first', 'a', 'b', 'c', 'd'].map((label) => ask(scene, label))
    await settle()
    assert.deepEqual(ids(queue), ['s-1', 's-2', '1', '2', '3', '4'])
    free()
    await (await asked[0])!.release()
    await (await asked[1])!.release()
    await (await asked[2])!.release()
    await settle()
    assert.deepEqual(ids(queue), ['s-1', '2', '3'], 'c holds by 2, and d waits by 3')
    await (await asked[3])!.release()
    await settle()
    assert.deepEqual(ids(queue), ['s-1', '2'], 'd holds by 2, and nobody is left to wait by 3')
    await (await asked[4])!.release()
    assert.deepEqual(ids(queue), ['s-1'])
  })

  test('a thousand waiting requests cost a constant number of tickets and listings, and are served in order', async () => {
    const scene = new RequestScene()
    const { queue } = scene
    const labels = Array.from({ length: 1000 }, (_, index) => `r-${index}`)
    const asked = new Map(labels.map((label) => [label, ask(scene, label, { claim: THREE })]))
    assert.deepEqual(await serveAll(asked), labels)
    // Three holders have their own tickets; the waiters share four.
    assert.equal(queue.calls.filter((call) => call === 'enqueue').length, 7)
    const looks = queue.calls.filter((call) => call.startsWith('list') || call === 'areLast')
    assert.ok(looks.length < 30, `${looks.length} looks`)
    assert.deepEqual(queue.tickets, [])
    assert.ok(scene.isIdle)
  })

  test('a request made when another ticket is behind theirs takes a new one, and is served after that ticket', async () => {
    const { scene, free } = blockedScene()
    const { queue } = scene
    const early = ['a', 'b', 'c', 'd'].map((label) => ask(scene, label))
    await settle()
    const stranger = queue.stranger('behind', TWO)
    const late = ask(scene, 'late')
    await settle()
    assert.deepEqual(ids(queue), ['s-1', 's-2', '1', '2', '3', '4', 'behind', '5'])
    let isServed = false
    void late.then(() => (isServed = true))
    free()
    free()
    for (const one of early) {
      const grant = (await one)!
      await settle()
      assert.equal(isServed, false)
      await grant.release()
    }
    queue.remove(stranger)
    await (await late)!.release()
  })

  test('a request made when another ticket is between theirs does not share them', async () => {
    const { scene, free } = blockedScene()
    const { queue } = scene
    const enqueue = queue.enqueue.bind(queue)
    let count = 0
    queue.enqueue = (request) => {
      count += 1
      if (count === 3) queue.stranger('between', TWO)
      return enqueue(request)
    }
    // The first one stands alone; the second one begins a group.
    const early = ['a', 'b', 'c'].map((label) => ask(scene, label))
    await settle()
    assert.deepEqual(ids(queue), ['s-1', 's-2', '1', '2', 'between', '3'])
    const late = ask(scene, 'late')
    await settle()
    assert.equal(ids(queue).length, 7)
    free()
    free()
    await (await early[0]!)!.release()
    await (await early[1]!)!.release()
    queue.remove(queue.tickets.find(({ id }) => id === 'between')!)
    await (await early[2]!)!.release()
    await (await late)!.release()
    assert.deepEqual(queue.tickets, [])
  })

  test('a request that gives up changes no order, and leaves no unneeded ticket', async () => {
    const { scene, free } = blockedScene()
    const { queue } = scene
    const labels = ['a', 'b', 'c', 'd', 'e', 'f']
    const controllers = labels.map(() => new AbortController())
    const asked = labels.map((label, index) => ask(scene, label, { signal: controllers[index]!.signal }))
    await settle()
    for (const index of [0, 2, 4]) {
      controllers[index]!.abort()
      await assert.rejects(asked[index]!, (reason) => reason === controllers[index]!.signal.reason)
    }
    assert.deepEqual(ids(queue), ['s-1', 's-2', '1', '2', '3'])
    free()
    const b = (await asked[1]!)!
    controllers[3]!.abort()
    await assert.rejects(asked[3]!)
    controllers[5]!.abort()
    await assert.rejects(asked[5]!)
    assert.deepEqual(ids(queue), ['s-1', '1'])
    await b.release()
    free()
    assert.ok(scene.isIdle)
    assert.deepEqual(queue.tickets, [])
  })

  test('when a ticket is lost, its holder is notified once, and waiters get another one in its place', async () => {
    const { scene, free } = blockedScene()
    const { queue } = scene
    const [a, b, c, d] = ['a', 'b', 'c', 'd'].map((label) => ask(scene, label))
    await settle()
    free()
    free()
    const [first, second] = [(await a)!, (await b)!]
    const losses: unknown[] = []
    first.onLost((error) => losses.push(error))
    const lost = queue.tickets[0] as FakeTicket
    queue.tickets.shift()
    const reason = new Error('lost')
    lost.request.onLost(reason)
    lost.request.onLost(new Error('again'))
    assert.deepEqual(losses, [reason])
    assert.equal(queue.tickets.length, 3)
    const third = (await c)!
    await first.release()
    await second.release()
    await (await d)!.release()
    await third.release()
    assert.deepEqual(queue.tickets, [])
    assert.ok(scene.isIdle)
  })

  test('when the queue fails a ticket, all waiters fail, and holders keep their locks', async () => {
    const { scene, free } = blockedScene()
    const { queue } = scene
    const waiting = gate()
    const all = ['a', 'b', 'c', 'd'].map((label) => ask(scene, label))
    await settle()
    free()
    const held = (await all[0])!
    await settle()
    queue.instead.set('anyChange', () => waiting.promise)
    queue.wake()
    await settle()
    const failure = new Error('cannot tell who lives')
    waiting.fail(failure)
    for (const one of all.slice(1)) await assert.rejects(one, (error) => error === failure)
    queue.instead.delete('anyChange')
    assert.ok(held.isHeld?.() !== false)
    await held.release()
    free()
    assert.deepEqual(queue.tickets, [])
    assert.ok(scene.isIdle)
  })

  test('when a ticket cannot join, only its request fails', async () => {
    const { scene, free } = blockedScene()
    const { queue } = scene
    const all = [ask(scene, 'a'), ask(scene, 'b')]
    await settle()
    const failure = new Error('no room')
    queue.instead.set('enqueue', () => {
      throw failure
    })
    await assert.rejects(ask(scene, 'c'), (error) => error === failure)
    queue.instead.delete('enqueue')
    all.push(ask(scene, 'd'))
    await settle()
    free()
    free()
    for (const one of all) await (await one)!.release()
    assert.deepEqual(queue.tickets, [])
  })

  test('a ticket passes to the next request without a listing', async () => {
    const { scene, free } = blockedScene()
    const { queue } = scene
    const all = ['a', 'b', 'c', 'd', 'e'].map((label) => ask(scene, label))
    await settle()
    free()
    free()
    const [a, b] = [(await all[0])!, (await all[1])!]
    await a.release()
    const c = (await all[2])!
    await settle()
    queue.calls.length = 0
    await b.release()
    const d = (await all[3])!
    await settle()
    assert.deepEqual(queue.calls, ['granted'])
    await c.release()
    await (await all[4])!.release()
    await d.release()
    assert.deepEqual(queue.tickets, [])
  })

  test('each request is described by one ticket, in the order of the requests', async () => {
    const { scene, free } = blockedScene()
    const { queue } = scene
    const all = ['a', 'b', 'c', 'd', 'e'].map((label) => ask(scene, label))
    await settle()
    const labels = (): unknown => own(queue).map((request) => request.requests().map(({ label }) => label))
    assert.deepEqual(labels(), [['a'], ['b'], ['c'], ['d', 'e']])
    free()
    const held = (await all[0])!
    assert.deepEqual(labels(), [['a'], ['b'], ['c'], ['d', 'e']])
    free()
    const b = (await all[1])!
    assert.deepEqual(labels(), [['a'], ['b'], ['c'], ['d', 'e']])
    await held.release()
    const c = (await all[2])!
    assert.deepEqual(labels(), [['b'], ['c'], ['d', 'e']])
    await b.release()
    const d = (await all[3])!
    assert.deepEqual(labels(), [['d'], ['c'], ['e']])
    await d.release()
    await c.release()
    await (await all[4])!.release()
  })

  test('as long as a request waits, so does a ticket: nobody behind comes first, even with a larger number of permits', async () => {
    const scene = new RequestScene()
    const { queue } = scene
    const [ONE, NINE] = [permitClaim(1), permitClaim(9)]
    const labels = ['a', 'b', 'c', 'd']
    const all = labels.map((label) => ask(scene, label, { claim: ONE }))
    await settle()
    assert.deepEqual(ids(queue), ['1', '2', '3'])
    let late: Promise<Grant | null> | undefined
    let isLateServed = false
    for (const [index, one] of all.entries()) {
      const grant = (await one)!
      assert.equal(isLateServed, false)
      if (index < 3) assert.equal(await ask(scene, 'try', { claim: NINE, wait: false }), null)
      late ??= ask(scene, 'late', { claim: NINE }).then((granted) => {
        isLateServed = true
        return granted
      })
      await settle()
      await grant.release()
    }
    await (await late)!.release()
    assert.deepEqual(queue.tickets, [])
    assert.ok(scene.isIdle)
  })

  test('a request for several permits has its own ticket, and later requests queue behind it', async () => {
    const { scene, free } = blockedScene()
    const { queue } = scene
    const early = [ask(scene, 'a'), ask(scene, 'b')]
    await settle()
    const many = ask(scene, 'many', { claim: permitClaim(2, 2) })
    const late = [ask(scene, 'c'), ask(scene, 'd', { claim: permitClaim(2, 2) }), ask(scene, 'e')]
    await settle()
    const shown = own(queue).map((request) => request.requests().map(({ label }) => label))
    assert.deepEqual(shown, [['a'], ['b'], ['many'], ['c'], ['d'], ['e']])
    free()
    free()
    const order: string[] = []
    const asked = [...early, many, ...late]
    for (const [index, one] of asked.entries()) void one.then(() => order.push('abmcde'[index]!))
    for (const one of asked) {
      const grant = (await one)!
      await settle()
      await grant.release()
    }
    assert.equal(order.join(''), 'abmcde')
    assert.deepEqual(queue.tickets, [])
    assert.ok(scene.isIdle)
  })

  test('a holder is notified by `wanted` as soon as another request of its process waits', async () => {
    const scene = new RequestScene()
    const held = [(await ask(scene, 'a'))!, (await ask(scene, 'b'))!]
    let isWanted = false
    held[1]!.onWanted!(() => (isWanted = true))
    await settle()
    assert.equal(isWanted, false)
    const waiting = [ask(scene, 'c'), ask(scene, 'd')]
    await settle()
    await held[0]!.release()
    const third = (await waiting[0]!)!
    let isThirdWanted = false
    third.onWanted!(() => (isThirdWanted = true))
    assert.equal(isThirdWanted, true)
    await third.release()
    await (await waiting[1]!)!.release()
    await held[1]!.release()
    assert.ok(scene.isIdle)
  })

  test('nobody is granted while the process exits, and waiters request again if it continues', async () => {
    const { scene, free } = blockedScene()
    const { queue } = scene
    const all = ['a', 'b', 'c', 'd'].map((label) => ask(scene, label))
    await settle()
    free()
    free()
    const [a, b] = [(await all[0])!, (await all[1])!]
    const self: { _exiting?: boolean } & object = process
    self._exiting = true
    let isGranted = false
    void all[2]!.then(() => (isGranted = true))
    void b.release()
    assert.equal(isGranted, false)
    delete self._exiting
    await (await all[2]!)!.release()
    await a.release()
    await (await all[3]!)!.release()
    assert.deepEqual(queue.tickets, [])
  })

  test('a later group enters the queue after all tickets of the earlier one have', async () => {
    const scene = new RequestScene()
    const { queue } = scene
    const [first, third] = [gate(), gate()]
    const gates = [first, undefined, third]
    const entered: string[] = []
    queue.enqueue = (request) => {
      entered.push(request.claim.kind)
      const entering = gates.shift()
      return entering === undefined ? queue.join(request) : entering.promise.then(() => queue.join(request))
    }
    const all = ['a', 'b', 'c'].map((label) => ask(scene, label))
    // It is of another kind, and gets that error once it is in the queue.
    const rejected = assert.rejects(scene.acquire({ label: 'x' }))
    await settle()
    assert.deepEqual(entered, ['permit'])
    first.open()
    await settle()
    assert.deepEqual(entered, ['permit', 'permit', 'permit'])
    third.open()
    await settle()
    assert.deepEqual(entered, ['permit', 'permit', 'permit', 'exclusive'])
    await rejected
    for (const one of all) await (await one)!.release()
    assert.ok(scene.isIdle)
  })
})
