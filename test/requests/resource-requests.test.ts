import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Grant } from '../../src/requests/engine.ts'
import { permitClaim, SHARED } from '../../src/core/claim.ts'
import type { FakeTicket, ScriptedQueue } from './scripted-queue.ts'
import { RequestScene } from './scene.ts'
import { gate, settle } from './scripted-queue.ts'

/** More than a call can have arguments. */
const MANY = 200_000

describe('the requests of one process for a resource', () => {
  test('requests share a ticket while it is the last one in the queue', async () => {
    const { queue, acquire } = new RequestScene()
    const all = Array.from({ length: 1000 }, () => acquire())
    for (const one of all) await (await one)!.release()
    assert.equal(queue.calls.filter((call) => call === 'enqueue').length, 1)
    assert.deepEqual(queue.tickets, [])
  })

  test('a request without other requests of its process joins the queue synchronously', async () => {
    const { queue, acquire } = new RequestScene()
    for (let round = 0; round < 2; round += 1) {
      const asked = acquire()
      assert.equal(queue.tickets.length, 1)
      await (await asked)!.release()
    }
    queue.instead.set('enqueue', () => {
      throw new Error('no room')
    })
    await assert.rejects(acquire(), /no room/)
  })

  test('a request that is aborted right after the call never joins, and does not affect others of its batch', async () => {
    const { queue, acquire } = new RequestScene()
    const controller = new AbortController()
    const aborted = acquire({ signal: controller.signal })
    const other = acquire()
    assert.deepEqual(queue.calls, [])
    controller.abort()
    await assert.rejects(aborted)
    await (await other)!.release()
    assert.equal(queue.calls.filter((call) => call === 'enqueue').length, 1)
  })

  test('a request that is made while the process exits does not join synchronously', async () => {
    const { queue, acquire } = new RequestScene()
    const self: { _exiting?: boolean } & object = process
    self._exiting = true
    const asked = acquire()
    delete self._exiting
    assert.deepEqual(queue.calls, [])
    await (await asked)!.release()
  })

  test('a thousand requests in one turn check only once whether their ticket is the last one', async () => {
    const { queue, acquire } = new RequestScene()
    const all = Array.from({ length: 1000 }, () => acquire())
    await settle()
    assert.deepEqual(queue.calls, ['enqueue', 'list 1', 'granted', 'isLast 1'])
    for (const one of all) await (await one)!.release()
  })

  test('however many requests wait by a ticket, all of them are placed again when it is lost', async () => {
    const { queue, acquire } = new RequestScene()
    await acquire()
    const all = Array.from({ length: MANY }, () => acquire())
    await settle()
    const [lost] = queue.tickets as FakeTicket[]
    queue.tickets = []
    lost!.request.onLost(new Error('lost'))
    for (const one of all) await (await one)!.release()
    assert.deepEqual(queue.tickets, [])
  })

  test('once another ticket is behind, the next request takes a new one', async () => {
    const { queue, acquire } = new RequestScene()
    const first = (await acquire())!
    const second = acquire()
    await settle()
    const stranger = queue.stranger('behind')
    const third = acquire()
    await settle()
    assert.deepEqual(
      queue.tickets.map(({ id }) => id),
      ['1', 'behind', '2'],
    )
    await first.release()
    await (await second)!.release()
    queue.remove(stranger)
    await (await third)!.release()
    assert.deepEqual(queue.tickets, [])
  })

  test('a request that could not share the ticket does not check whether it is the last one', async () => {
    const { queue, acquire } = new RequestScene()
    const permits = [1, 2, 3].map(() => acquire({ claim: permitClaim(3) }))
    for (const one of permits) await one
    await acquire({ claim: permitClaim(3), wait: false })
    for (const one of permits) await (await one)!.release()
    const held = (await acquire())!
    assert.equal(await acquire({ wait: false }), null)
    assert.equal(await acquire({ wait: false, claim: SHARED }), null)
    await held.release()
    assert.deepEqual(
      queue.calls.filter((call) => call.startsWith('isLast')),
      [],
    )
  })

  test('a request that cannot be placed rejects alone: others of its batch keep their places', async () => {
    const { queue, acquire } = new RequestScene()
    const held = (await acquire())!
    const error = new Error('no space')
    let times = 0
    queue.stealing = {
      becomeHolder: () => true,
      isHolder: () => true,
      setHasWaiters: (_own, hasWaiters) => {
        if (hasWaiters && (times += 1) === 2) throw error
        return true
      },
    }
    const [first, second, third] = [acquire(), acquire(), acquire()]
    await assert.rejects(second, (reason) => reason === error)
    await settle()
    await held.release()
    await (await first)!.release()
    await (await third)!.release()
    assert.deepEqual(queue.tickets, [])
  })

  test('a shared request that cannot get a token rejects alone, and leaves no waiter', async () => {
    const { queue, acquire } = new RequestScene()
    const error = new Error('no clock')
    const held = (await acquire({ claim: SHARED }))!
    queue.instead.set('granted', () => {
      throw error
    })
    await assert.rejects(acquire({ claim: SHARED }), (reason) => reason === error)
    queue.instead.delete('granted')
    await held.release()
    assert.deepEqual(queue.tickets, [])
  })

  test('requests made during a check are judged by the next one, together', async () => {
    const { queue, acquire } = new RequestScene()
    const held = (await acquire())!
    const looking = gate<boolean>()
    queue.instead.set('isLast', () => looking.promise)
    const before = acquire({ label: 'before' })
    await settle()
    const during = [acquire(), acquire()]
    await settle()
    assert.equal(queue.calls.filter((call) => call === 'isLast 1').length, 1)
    queue.instead.delete('isLast')
    queue.stranger('behind')
    looking.open(true)
    await settle()
    assert.equal(queue.calls.filter((call) => call === 'isLast 1').length, 2)
    assert.deepEqual(
      queue.tickets.map(({ id }) => id),
      ['1', 'behind', '2'],
    )
    await held.release()
    await (await before)!.release()
    queue.remove(queue.tickets[0]!)
    for (const one of during) await (await one)!.release()
  })

  test('a claim does not join the group of another claim', async () => {
    const { queue, acquire } = new RequestScene()
    const held = (await acquire())!
    const shared = [acquire({ claim: SHARED }), acquire({ claim: SHARED })]
    const last = acquire()
    await settle()
    assert.deepEqual(
      queue.tickets.map(({ claim }) => claim.kind),
      ['exclusive', 'shared', 'exclusive'],
    )
    await held.release()
    for (const one of await Promise.all(shared)) await one!.release()
    await (await last)!.release()
  })

  test('if the queue requires it, each request takes its own ticket, without a check', async () => {
    const { queue, acquire } = new RequestScene()
    queue.ticketPerRequest = true
    const all = Array.from({ length: 3 }, () => acquire({ claim: SHARED }))
    const late = acquire({ claim: SHARED })
    await settle()
    assert.equal(queue.tickets.length, 4)
    assert.ok(!queue.calls.some((call) => call.startsWith('isLast')))
    for (const one of [...all, late]) await (await one)!.release()
  })

  test('each permit takes its own ticket', async () => {
    const { queue, acquire } = new RequestScene()
    const claim = permitClaim(2)
    const grants = await Promise.all([acquire({ claim }), acquire({ claim })])
    assert.equal(queue.tickets.length, 2)
    for (const grant of grants) await grant!.release()
  })

  test('groups enter the queue in the order of their requests, however long the first takes', async () => {
    const { queue, acquire } = new RequestScene()
    const entering = gate()
    queue.instead.set('enqueue', () => {
      queue.instead.delete('enqueue')
      return entering.promise.then(() => queue.join(enqueued!))
    })
    let enqueued: Parameters<ScriptedQueue['enqueue']>[0] | undefined
    const enqueue = queue.enqueue.bind(queue)
    queue.enqueue = (asked) => {
      enqueued ??= asked
      return enqueue(asked)
    }
    const first = acquire({ label: 'first' })
    const second = acquire({ claim: SHARED })
    await settle()
    assert.equal(queue.tickets.length, 0)
    entering.open()
    await settle()
    assert.deepEqual(
      queue.tickets.map(({ claim }) => claim.kind),
      ['exclusive', 'shared'],
    )
    await (await first)!.release()
    await (await second)!.release()
  })

  test('a request cancelled before it has entered does not let later ones overtake earlier ones', async () => {
    const { queue, acquire } = new RequestScene()
    const entering = gate<FakeTicket | null>()
    queue.instead.set('enqueue', () => entering.promise)
    const first = acquire()
    await settle()
    const controller = new AbortController()
    const second = acquire({ claim: SHARED, signal: controller.signal })
    const third = acquire()
    await settle()
    controller.abort()
    await assert.rejects(second)
    await settle()
    assert.deepEqual(queue.calls, ['enqueue'])
    queue.instead.delete('enqueue')
    entering.open(null)
    assert.equal(await first, null)
    await (await third)!.release()
    assert.equal(queue.calls.filter((call) => call === 'enqueue').length, 2)
  })

  test('a try does not wait for a request that is still entering the queue', async () => {
    const { queue, acquire } = new RequestScene()
    const entering = gate<FakeTicket | null>()
    queue.instead.set('enqueue', () => {
      queue.instead.delete('enqueue')
      return entering.promise
    })
    const first = acquire()
    const attempt = acquire({ wait: false })
    const grant = await attempt
    assert.notEqual(grant, null)
    entering.open(null)
    assert.equal(await first, null)
    await grant!.release()
  })

  test('a request behind a try that has entered waits for the one that was entering before the try', async () => {
    const { queue, acquire } = new RequestScene()
    const claim = permitClaim(3)
    const entering = gate<FakeTicket | null>()
    queue.instead.set('enqueue', () => {
      queue.instead.delete('enqueue')
      return entering.promise
    })
    const first = acquire({ claim })
    const tries = [acquire({ claim, wait: false }), acquire({ claim, wait: false })]
    const last = acquire({ claim })
    await settle()
    assert.equal(queue.calls.filter((call) => call === 'enqueue').length, 3)
    entering.open(null)
    assert.equal(await first, null)
    for (const one of [...tries, last]) await (await one)!.release()
    assert.equal(queue.calls.filter((call) => call === 'enqueue').length, 4)
  })

  for (const isAtOnce of [true, false]) {
    const when = isAtOnce ? 'asks with it' : 'asks later'
    test(`a shared request that ${when} does not hold with a try that has overtaken requests that are entering`, async () => {
      const { queue, acquire } = new RequestScene()
      const entering = gate<FakeTicket | null>()
      queue.instead.set('enqueue', () => {
        queue.instead.delete('enqueue')
        return entering.promise
      })
      const granted: string[] = []
      const use = async (name: string, asked: Promise<Grant | null>): Promise<void> => {
        const grant = await asked
        granted.push(name)
        await grant?.release()
      }
      const first = use('first', acquire({ claim: SHARED }))
      const second = use('second', acquire())
      const attempt = acquire({ claim: SHARED, wait: false })
      if (!isAtOnce) assert.notEqual(await attempt, null)
      const last = use('last', acquire({ claim: SHARED }))
      await settle()
      assert.deepEqual(granted, [])
      await (await attempt)!.release()
      entering.open(null)
      await Promise.all([first, second, last])
      assert.deepEqual(granted, ['first', 'second', 'last'])
    })
  }

  test('when the queue cannot be entered, all requests of the ticket reject', async () => {
    const scene = new RequestScene()
    const { queue, acquire } = scene
    const failure = new Error('no room')
    queue.instead.set('enqueue', () => Promise.reject(failure))
    const all = [acquire(), acquire(), acquire({ claim: SHARED })]
    for (const one of all) await assert.rejects(one, (error) => error === failure)
    await settle()
    assert.ok(scene.isIdle)
  })

  test('when one of a batch cannot enter the queue, the next one does not overtake waiters behind the holder', async () => {
    const { queue, acquire } = new RequestScene()
    const held = (await acquire())!
    const stranger = queue.stranger('behind')
    const failure = new Error('no space')
    queue.instead.set('enqueue', () => {
      queue.instead.delete('enqueue')
      throw failure
    })
    const [first, second] = [acquire(), acquire()]
    await assert.rejects(first, (error) => error === failure)
    const ids = queue.tickets.map(({ id }) => id)
    await held.release()
    queue.remove(stranger)
    await (await second)!.release()
    assert.deepEqual(ids, ['1', 'behind', '2'])
    assert.deepEqual(queue.tickets, [])
  })

  test('when the check of the queue fails, its requests reject, and the holder is not affected', async () => {
    const { queue, acquire } = new RequestScene()
    const held = (await acquire())!
    const failure = new Error('cannot look')
    queue.instead.set('isLast', () => Promise.reject(failure))
    await assert.rejects(acquire(), (error) => error === failure)
    queue.instead.delete('isLast')
    const next = acquire()
    await settle()
    await held.release()
    await (await next)!.release()
  })

  test('after a failure it works as before', async () => {
    const { queue, acquire } = new RequestScene()
    queue.instead.set('list', () => Promise.reject(new Error('cannot list')))
    await assert.rejects(acquire())
    queue.instead.delete('list')
    await (await acquire())!.release()
    assert.deepEqual(queue.tickets, [])
  })

  test('is idle after the last release, and not before', async () => {
    const scene = new RequestScene()
    const { acquire } = scene
    const first = (await acquire())!
    const second = acquire()
    await settle()
    assert.ok(!scene.isIdle)
    await first.release()
    assert.ok(!scene.isIdle)
    await (await second)!.release()
    await settle()
    assert.ok(scene.isIdle)
  })

  test('a request made together with one that failed at once does not join a group with tickets behind it', async () => {
    const { queue, acquire } = new RequestScene()
    const held = (await acquire())!
    const stranger = queue.stranger('behind')
    queue.instead.set('enqueue', () => {
      queue.instead.delete('enqueue')
      throw new Error('no room')
    })
    const failing = assert.rejects(acquire({ wait: false }), /no room/)
    const next = acquire()
    await failing
    await settle()
    assert.deepEqual(
      queue.tickets.map(({ id }) => id),
      ['1', 'behind', '2'],
    )
    await held.release()
    queue.remove(stranger)
    await (await next)!.release()
  })
})
