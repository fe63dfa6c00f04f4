import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { AcquireRequest, Grant } from '../../src/requests/engine.ts'
import { EXCLUSIVE, permitClaim, SHARED } from '../../src/core/claim.ts'
import { Line } from '../../src/requests/line.ts'
import type { FakeTicket } from './scripted-queue.ts'
import { gate, ScriptedQueue, settle } from './scripted-queue.ts'

describe('a line', () => {
  test('requests that come while their ticket is the last stand by one ticket', async () => {
    const { queue, line } = scene()
    const all = Array.from({ length: 1000 }, () => line.acquire(request()))
    for (const one of all) await (await one)!.release()
    assert.equal(queue.calls.filter((call) => call === 'enqueue').length, 1)
    assert.deepEqual(queue.tickets, [])
  })

  test('once somebody stands behind the ticket, the next request takes a new one', async () => {
    const { queue, line } = scene()
    const first = (await line.acquire(request()))!
    const second = line.acquire(request())
    await settle()
    const stranger = queue.stranger('behind')
    const third = line.acquire(request())
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

  test('nobody looks whether the ticket is the last for a request that could not share it', async () => {
    const { queue, line } = scene()
    const permits = [1, 2, 3].map(() => line.acquire(request({ claim: permitClaim(3) })))
    for (const one of permits) await one
    await line.acquire(request({ claim: permitClaim(3), wait: false }))
    for (const one of permits) await (await one)!.release()
    const held = (await line.acquire(request()))!
    assert.equal(await line.acquire(request({ wait: false })), null)
    assert.equal(await line.acquire(request({ wait: false, claim: SHARED })), null)
    await held.release()
    assert.deepEqual(
      queue.calls.filter((call) => call.startsWith('isLast')),
      [],
    )
  })

  test('a request that cannot be taken in is rejected alone: others of its batch keep their places', async () => {
    const { queue, line } = scene()
    const held = (await line.acquire(request()))!
    const error = new Error('no space')
    let times = 0
    queue.stealing = {
      becomeHolder: () => true,
      isHolder: () => true,
      setCrowded: (_own, isCrowded) => {
        if (isCrowded && (times += 1) === 2) throw error
        return true
      },
    }
    const [first, second, third] = [line.acquire(request()), line.acquire(request()), line.acquire(request())]
    await assert.rejects(second, (reason) => reason === error)
    await settle()
    await held.release()
    await (await first)!.release()
    await (await third)!.release()
    assert.deepEqual(queue.tickets, [])
  })

  test('who shares, and cannot be given a token, is rejected alone, and leaves nothing that waits', async () => {
    const { queue, line } = scene()
    const error = new Error('no clock')
    const held = (await line.acquire(request({ claim: SHARED })))!
    queue.instead.set('granted', () => {
      throw error
    })
    await assert.rejects(line.acquire(request({ claim: SHARED })), (reason) => reason === error)
    queue.instead.delete('granted')
    await held.release()
    assert.deepEqual(queue.tickets, [])
  })

  test('requests that come while one look is made are judged by the next, all by that one', async () => {
    const { queue, line } = scene()
    const held = (await line.acquire(request()))!
    const looking = gate<boolean>()
    queue.instead.set('isLast', () => looking.promise)
    const before = line.acquire(request({ label: 'before' }))
    await settle()
    const during = [line.acquire(request()), line.acquire(request())]
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

  test('one claim does not join the party of another', async () => {
    const { queue, line } = scene()
    const held = (await line.acquire(request()))!
    const shared = [line.acquire(request({ claim: SHARED })), line.acquire(request({ claim: SHARED }))]
    const last = line.acquire(request())
    await settle()
    assert.deepEqual(
      queue.tickets.map(({ claim }) => claim.kind),
      ['exclusive', 'shared', 'exclusive'],
    )
    await held.release()
    for (const one of await Promise.all(shared)) await one!.release()
    await (await last)!.release()
  })

  test('where the queue wants it, each request takes a ticket of its own, and nobody asks which is the last', async () => {
    const { queue, line } = scene()
    queue.ticketPerRequest = true
    const all = Array.from({ length: 3 }, () => line.acquire(request({ claim: SHARED })))
    const late = line.acquire(request({ claim: SHARED }))
    await settle()
    assert.equal(queue.tickets.length, 4)
    assert.ok(!queue.calls.some((call) => call.startsWith('isLast')))
    for (const one of [...all, late]) await (await one)!.release()
  })

  test('each permit takes a ticket of its own', async () => {
    const { queue, line } = scene()
    const claim = permitClaim(2)
    const grants = await Promise.all([line.acquire(request({ claim })), line.acquire(request({ claim }))])
    assert.equal(queue.tickets.length, 2)
    for (const grant of grants) await grant!.release()
  })

  test('parties enter the queue in the order of their requests, however long the first takes', async () => {
    const { queue, line } = scene()
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
    const first = line.acquire(request({ label: 'first' }))
    const second = line.acquire(request({ claim: SHARED }))
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

  test('one that is called off on its way in does not let those behind it come before those ahead of it', async () => {
    const { queue, line } = scene()
    const entering = gate<FakeTicket | null>()
    queue.instead.set('enqueue', () => entering.promise)
    const first = line.acquire(request())
    await settle()
    const controller = new AbortController()
    const second = line.acquire(request({ claim: SHARED, signal: controller.signal }))
    const third = line.acquire(request())
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

  test('a try does not wait for one who is still on its way into the queue', async () => {
    const { queue, line } = scene()
    const entering = gate<FakeTicket | null>()
    queue.instead.set('enqueue', () => {
      queue.instead.delete('enqueue')
      return entering.promise
    })
    const first = line.acquire(request())
    const attempt = line.acquire(request({ wait: false }))
    const grant = await attempt
    assert.notEqual(grant, null)
    entering.open(null)
    assert.equal(await first, null)
    await grant!.release()
  })

  test('one that comes behind a try that has entered waits for the one that is still on its way before the try', async () => {
    const { queue, line } = scene()
    const claim = permitClaim(3)
    const entering = gate<FakeTicket | null>()
    queue.instead.set('enqueue', () => {
      queue.instead.delete('enqueue')
      return entering.promise
    })
    const first = line.acquire(request({ claim }))
    const tries = [line.acquire(request({ claim, wait: false })), line.acquire(request({ claim, wait: false }))]
    const last = line.acquire(request({ claim }))
    await settle()
    assert.equal(queue.calls.filter((call) => call === 'enqueue').length, 3)
    entering.open(null)
    assert.equal(await first, null)
    for (const one of [...tries, last]) await (await one)!.release()
    assert.equal(queue.calls.filter((call) => call === 'enqueue').length, 4)
  })

  for (const isAtOnce of [true, false]) {
    const when = isAtOnce ? 'asks with it' : 'asks later'
    test(`one that shares, and ${when}, does not hold with a try that has overtaken those who are on their way`, async () => {
      const { queue, line } = scene()
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
      const first = use('first', line.acquire(request({ claim: SHARED })))
      const second = use('second', line.acquire(request()))
      const attempt = line.acquire(request({ claim: SHARED, wait: false }))
      if (!isAtOnce) assert.notEqual(await attempt, null)
      const last = use('last', line.acquire(request({ claim: SHARED })))
      await settle()
      assert.deepEqual(granted, [])
      await (await attempt)!.release()
      entering.open(null)
      await Promise.all([first, second, last])
      assert.deepEqual(granted, ['first', 'second', 'last'])
    })
  }

  test('when the queue cannot be entered, all who were to stand by the ticket are told', async () => {
    const { queue, line, idle } = scene()
    const failure = new Error('no room')
    queue.instead.set('enqueue', () => Promise.reject(failure))
    const all = [line.acquire(request()), line.acquire(request()), line.acquire(request({ claim: SHARED }))]
    for (const one of all) await assert.rejects(one, (error) => error === failure)
    await settle()
    assert.equal(idle(), 1)
  })

  test('when the look at the queue fails, those who asked are told, and the holder is not hindered', async () => {
    const { queue, line } = scene()
    const held = (await line.acquire(request()))!
    const failure = new Error('cannot look')
    queue.instead.set('isLast', () => Promise.reject(failure))
    await assert.rejects(line.acquire(request()), (error) => error === failure)
    queue.instead.delete('isLast')
    const next = line.acquire(request())
    await settle()
    await held.release()
    await (await next)!.release()
  })

  test('after a failure the line takes requests as ever', async () => {
    const { queue, line } = scene()
    queue.instead.set('list', () => Promise.reject(new Error('cannot list')))
    await assert.rejects(line.acquire(request()))
    queue.instead.delete('list')
    await (await line.acquire(request()))!.release()
    assert.deepEqual(queue.tickets, [])
  })

  test('it is idle when the last one has released, and not before', async () => {
    const { line, idle } = scene()
    const first = (await line.acquire(request()))!
    const second = line.acquire(request())
    await settle()
    assert.equal(idle(), 0)
    await first.release()
    assert.equal(idle(), 0)
    await (await second)!.release()
    await settle()
    assert.equal(idle(), 1)
  })
})

interface LineScene {
  readonly queue: ScriptedQueue
  readonly line: { acquire(asked: AcquireRequest): Promise<Grant | null> }
  readonly idle: () => number
}

function scene(): LineScene {
  const queue = new ScriptedQueue()
  let idle = 0
  return { queue, line: new Line(queue, () => (idle += 1)), idle: () => idle }
}

function request(change: Partial<AcquireRequest> = {}): AcquireRequest {
  return { claim: EXCLUSIVE, wait: true, lingerMs: 0, ...change }
}
