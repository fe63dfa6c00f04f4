import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Cancellation } from '../../src/requests/cancellation.ts'
import type { EnqueueRequest } from '../../src/requests/ticket-queue.ts'
import { EXCLUSIVE } from '../../src/core/claim.ts'
import { JoinOrder } from '../../src/engines/join-order.ts'
import { OwnTicket } from '../../src/engines/etcd/ticket.ts'
import { SlocketError } from '../../src/errors.ts'

const SESSION = {
  lease: '1',
  ttlMs: 10_000,
  isAlive: () => true,
  seemsAlive: () => true,
  forget: () => undefined,
  replaceKey: () => undefined,
  lose: () => undefined,
}

function request(rest: Partial<EnqueueRequest> = {}): EnqueueRequest {
  const told = { requests: () => [], onLost: () => undefined, onStolen: () => undefined }
  return { claim: EXCLUSIVE, wait: true, steal: false, lingerMs: 0, cancellation: new Cancellation(), ...told, ...rest }
}

function ticketFor(asked: EnqueueRequest): OwnTicket {
  return new OwnTicket('key', asked, SESSION)
}

/** Those of `requests` that may go in, and what comes of their waiting for it. */
class Queue {
  readonly joinOrder: JoinOrder = new JoinOrder()
  readonly let: EnqueueRequest[] = []

  add(...requests: readonly EnqueueRequest[]): void {
    for (const each of requests) this.joinOrder.add(each)
  }

  wait(...requests: readonly EnqueueRequest[]): Promise<void>[] {
    return requests.map(async (each) => {
      await this.joinOrder.next(each)
      this.let.push(each)
      if (!each.cancellation.cancelled) this.joinOrder.stand(ticketFor(each))
    })
  }
}

describe('the order in which the requests of one process join a queue in etcd', () => {
  test('requests join one after the other, in their order, whoever waits first', async () => {
    const queue = new Queue()
    const [a, b, c] = [request(), request(), request()]
    queue.add(a, b, c)
    await Promise.all(queue.wait(c, b, a))
    assert.deepEqual(queue.let, [a, b, c])
  })

  test('nobody passes a request that has lost its ticket but does not know it yet', async () => {
    const queue = new Queue()
    const [a, b] = [request(), request()]
    queue.add(a, b)
    const lost = ticketFor(a)
    queue.joinOrder.stand(lost)
    lost.lose(new SlocketError('ERR_SLOCKET_LOST', 'lost'), false)
    assert.deepEqual(
      [a, b].map((each) => queue.joinOrder.isNext(each)),
      [true, false],
    )
    await Promise.all(queue.wait(b, a))
    assert.deepEqual(queue.let, [a, b])
  })

  test('a request that has noticed the loss of its ticket itself joins again', async () => {
    const queue = new Queue()
    const a = request()
    queue.add(a)
    const gone = ticketFor(a)
    queue.joinOrder.stand(gone)
    queue.joinOrder.goOut(gone)
    await Promise.all(queue.wait(a))
    assert.deepEqual(queue.let, [a])
  })

  test('granted, failed and cancelled requests are not waited for, and a cancelled request no longer waits', async () => {
    const queue = new Queue()
    const requests = [request(), request(), request(), request()]
    const [a, b, c, d] = requests as [EnqueueRequest, EnqueueRequest, EnqueueRequest, EnqueueRequest]
    queue.add(a, b, c, d)
    const waiting = queue.wait(d, c)
    c.cancellation.cancel()
    await waiting[1]
    assert.deepEqual(queue.let, [c])
    b.cancellation.cancel()
    queue.joinOrder.leave(a)
    await waiting[0]
    assert.deepEqual(queue.let, [c, d])
  })

  test('many requests that are cancelled at once do not look at each other', async () => {
    const queue = new Queue()
    const [first, last, ...others] = Array.from({ length: 1000 }, () => request())
    queue.add(first!, ...others, last!)
    const waiting = queue.wait(...others)
    const waitingLast = queue.wait(last!)
    let looks = 0
    for (const { cancellation } of [first!, ...others]) {
      cancellation.cancel()
      Object.defineProperty(cancellation, 'cancelled', { get: () => (looks += 1) > 0 })
    }
    await Promise.all(waiting.map(async (each, index) => await each.then(() => queue.joinOrder.leave(others[index]!))))
    queue.joinOrder.leave(first!)
    await Promise.all(waitingLast)
    assert.ok(looks < 10 * others.length, `${looks} looks`)
  })

  test('tries and thieves have no place', () => {
    const queue = new Queue()
    const [a, once, thief] = [request(), request({ wait: false }), request({ steal: true })]
    queue.add(once, thief, a)
    assert.deepEqual(
      [a, once, thief].map((each) => queue.joinOrder.isNext(each)),
      [true, true, true],
    )
  })
})
