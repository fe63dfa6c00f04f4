import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Grant } from '../../src/requests/engine.ts'
import type { TicketEngine } from '../../src/requests/ticket-engine.ts'
import { createTicketEngine } from '../../src/requests/ticket-engine.ts'
import { EXCLUSIVE } from '../../src/core/claim.ts'
import type { FakeTicket } from './scripted-queue.ts'
import { ScriptedQueue } from './scripted-queue.ts'

/** More than are kept. */
const MANY = 500
/** As many are kept, at most. */
const MOST_KEPT = 64

describe('a ticket engine', () => {
  test('opens a resource once for consecutive requests, by whatever name', async () => {
    const { engine, opened } = open()
    for (const name of ['a', 'A', 'a', 'A']) await (await acquire(engine, name)).release()
    assert.deepEqual(opened, ['a'])
  })

  test('does not reopen a resource in use, however many others there are', async () => {
    const { engine, opened } = open()
    const held = await Promise.all(names().map((name) => acquire(engine, name)))
    const waiting = names().map((name) => acquire(engine, name))
    for (const grant of held) await grant.release()
    for (const grant of waiting) await (await grant).release()
    assert.equal(opened.length, MANY)
  })

  test('keeps few of many idle resources, whether they were in use at once or one after the other', async () => {
    const { engine, opened } = open()
    for (const grant of await Promise.all(names().map((name) => acquire(engine, name)))) await grant.release()
    await checkFewAreKept(engine, opened)
    for (const name of names()) await (await acquire(engine, name)).release()
    await checkFewAreKept(engine, opened)
  })

  test('keeps the last ones', async () => {
    const { engine, opened } = open()
    for (const name of names()) await (await acquire(engine, name)).release()
    opened.length = 0
    for (const name of names().slice(-MOST_KEPT / 2)) await (await acquire(engine, name)).release()
    assert.deepEqual(opened, [])
  })
})

test('requests keep their order if the first of them finds a kept ticket gone, and its resource is closed because of that', async () => {
  const { engine, opened, queues } = open((queue, close) => {
    Object.assign(queue, {
      isHeld: (own: FakeTicket) => {
        if (queue.tickets.includes(own)) return true
        own.request.onLost(new Error('lost'))
        return false
      },
      withdraw: (own: FakeTicket) => {
        queue.remove(own)
        close()
      },
    })
  })
  const asked = { claim: EXCLUSIVE, wait: true, lingerMs: 0, sliceMs: 60_000 }
  await (await engine.acquire('a', asked))!.release()
  queues[0]!.tickets = []
  const order: string[] = []
  const use = async (label: string): Promise<void> => {
    const grant = await engine.acquire('a', { ...asked, label })
    order.push(label)
    await grant!.release()
  }
  await Promise.all([use('first'), use('second')])
  assert.deepEqual(order, ['first', 'second'])
  assert.deepEqual(opened, ['a'])
})

function names(): string[] {
  return Array.from({ length: MANY }, (_, index) => `name-${index}`)
}

async function acquire(engine: TicketEngine, name: string): Promise<Grant> {
  return (await engine.acquire(name, { claim: EXCLUSIVE, wait: true, lingerMs: 0 }))!
}

async function checkFewAreKept(engine: TicketEngine, opened: string[]): Promise<void> {
  opened.length = 0
  // All at once, so that none of those that are kept has to go for another one.
  for (const grant of await Promise.all(names().map((name) => acquire(engine, name)))) await grant.release()
  assert.ok(opened.length >= MANY - MOST_KEPT, `${MANY - opened.length} of ${MANY} were kept`)
}

/** `opened` has the resources that were opened, in their order. `change` is called with each of their queues, and with a function that closes the resource. */
function open(change?: (queue: ScriptedQueue, close: () => void) => void): {
  engine: TicketEngine
  opened: string[]
  queues: ScriptedQueue[]
} {
  const opened: string[] = []
  const queues: ScriptedQueue[] = []
  const engine = createTicketEngine({
    name: 'scripted',
    capabilities: { ordered: true, shared: true, permits: true, recovered: false },
    resolve: (name) => name.toLowerCase(),
    open: (name, close) => {
      opened.push(name)
      const queue = new ScriptedQueue()
      queues.push(queue)
      change?.(queue, close)
      return queue
    },
    query: () => Promise.reject(new Error('nobody asks')),
  })
  return { engine, opened, queues }
}
