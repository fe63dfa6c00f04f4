// Answers and notifications come over two connections, in any order, and some never come.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { EXCLUSIVE } from '../../src/core/claim.ts'
import { decideTurn } from '../../src/core/turn.ts'
import { readClocks } from '../../src/engines/deadline.ts'
import type { QueueParts } from '../../src/engines/redis/queue.ts'
import { RedisQueue } from '../../src/engines/redis/queue.ts'
import { JOIN } from '../../src/engines/redis/scripts.ts'
import { OwnTicket } from '../../src/engines/redis/ticket.ts'
import { Cancellation } from '../../src/requests/cancellation.ts'
import type { EnqueueRequest } from '../../src/requests/ticket-queue.ts'

const TTL_MS = 10_000

function makeRequest(told: string[]): EnqueueRequest {
  return {
    claim: EXCLUSIVE,
    wait: true,
    steal: false,
    lingerMs: 0,
    cancellation: new Cancellation(),
    requests: () => [],
    onLost: () => void told.push('lost'),
    onStolen: () => void told.push('stolen'),
  }
}

function makeTicket(): { ticket: OwnTicket; told: string[] } {
  const told: string[] = []
  const request = makeRequest(told)
  return { ticket: new OwnTicket('client.1', 'name', request), told }
}

/** Nothing is asked of the server. */
const PARTS = {
  settings: { namespace: 'ns', replicas: 0 },
  lease: { ttlMs: TTL_MS },
  connection: { hearsSince: 1 },
}
const queue = new RedisQueue(PARTS as unknown as QueueParts, 'name')
const turnOf = (ticket: OwnTicket): string => decideTurn(ticket, queue.list(ticket) as []).kind

function answer(ticket: OwnTicket, reply: string): void {
  ticket.onReply(reply, readClocks(), TTL_MS)
}

describe('a ticket in Redis', () => {
  test('waits, is granted by a notification, and is not reset by an older answer', () => {
    const { ticket } = makeTicket()
    ticket.onNotice('held 7 1')
    answer(ticket, 'waiting')
    assert.equal(turnOf(ticket), 'held')
    assert.deepEqual(ticket.facts, { token: 7n, recovered: true })
    answer(ticket, 'waiting')
    assert.equal(turnOf(ticket), 'held')
  })

  describe('that was made anew, since its lease had run out before its call to join was repeated', () => {
    test('is not granted by the notification of its old grant, whichever comes first', () => {
      for (const isFirst of [true, false]) {
        const { ticket } = makeTicket()
        if (isFirst) ticket.onNotice('held 7 0')
        answer(ticket, 'waiting 8')
        if (!isFirst) ticket.onNotice('held 7 0')
        assert.equal(turnOf(ticket), 'blocked')
        ticket.onNotice('stolen 7')
        assert.equal(turnOf(ticket), 'blocked')
        ticket.onNotice('held 9 0')
        assert.equal(turnOf(ticket), 'held')
        assert.equal(ticket.facts?.token, 9n)
      }
    })

    test('is lost if it held: others have held since', () => {
      for (const reply of ['waiting 8', 'held 8 0']) {
        const { ticket, told } = makeTicket()
        answer(ticket, 'held 7 0')
        ticket.becomeHeld()
        answer(ticket, 'waiting 6')
        answer(ticket, 'held 7 0')
        assert.deepEqual(told, [])
        answer(ticket, reply)
        assert.deepEqual(told, ['lost'])
      }
    })
  })

  describe('whose grant another server has not, which has taken over', () => {
    test('waits for its turn there, though its tokens are smaller', () => {
      const { ticket } = makeTicket()
      answer(ticket, 'held 7 0')
      ticket.onReply('waiting 5', readClocks(), TTL_MS, ticket.facts)
      assert.equal(turnOf(ticket), 'blocked')
      ticket.onNotice('held 7 0')
      assert.equal(turnOf(ticket), 'blocked')
      answer(ticket, 'held 6 0')
      assert.equal(turnOf(ticket), 'held')
      assert.equal(ticket.facts?.token, 6n)
    })

    test('is lost if it held', () => {
      const { ticket, told } = makeTicket()
      answer(ticket, 'held 7 0')
      ticket.becomeHeld()
      ticket.onReply('waiting 5', readClocks(), TTL_MS, ticket.facts)
      assert.deepEqual(told, ['lost'])
    })
  })

  test('whose grant was stolen before it arrived is gone, and joins again', () => {
    const { ticket } = makeTicket()
    answer(ticket, 'waiting')
    assert.equal(turnOf(ticket), 'blocked')
    ticket.onNotice('stolen 7')
    assert.equal(turnOf(ticket), 'missing')
    answer(ticket, 'gone')
    assert.equal(turnOf(ticket), 'missing')
  })

  test('that was stolen from before the answer to its join has held, and its owner is notified', () => {
    const { ticket, told } = makeTicket()
    ticket.onNotice('stolen 7')
    answer(ticket, 'held 7 0')
    assert.equal(turnOf(ticket), 'held')
    assert.equal(queue.becomeHolder(ticket), true)
    ticket.becomeHeld()
    ticket.notifyStolen()
    assert.deepEqual(told, ['stolen'])
  })

  test('that joined a second time, since the first answer was lost, is not lost by a late notification of the first grant', () => {
    const { ticket, told } = makeTicket()
    ticket.onNotice('stolen 7')
    answer(ticket, 'held 8 0')
    ticket.becomeHeld()
    ticket.notifyStolen()
    assert.deepEqual(told, [])
    assert.equal(queue.isHolder(ticket), true)
    ticket.onNotice('stolen 7')
    assert.equal(queue.isHolder(ticket), true)
    ticket.onNotice('stolen 8')
    assert.deepEqual(told, ['stolen'])
    assert.equal(queue.isHolder(ticket), false)
  })

  test('that is held but gone from the server is lost, once, and never comes back', () => {
    const { ticket, told } = makeTicket()
    answer(ticket, 'held 7 0')
    ticket.becomeHeld()
    answer(ticket, 'gone')
    answer(ticket, 'held 7 0')
    assert.deepEqual(told, ['lost'])
    assert.equal(queue.isHolder(ticket), false)
  })

  test('is not granted by an answer to a request that was sent a whole lease ago, but by the next one', () => {
    const { ticket } = makeTicket()
    const now = readClocks()
    ticket.onReply('held 7 0', { monotonicMs: now.monotonicMs - TTL_MS, uptimeMs: now.uptimeMs - TTL_MS }, TTL_MS)
    assert.equal(queue.becomeHolder(ticket), false)
    assert.equal(turnOf(ticket), 'blocked')
    answer(ticket, 'held 7 0')
    assert.equal(turnOf(ticket), 'held')
    assert.equal(queue.becomeHolder(ticket), true)
  })
})

test('a grant that was notified between joining and subscribing is found by a query', async () => {
  const connection = {
    hearsSince: 0,
    use: () => undefined,
    unuse: () => undefined,
    subscribe: () => Promise.resolve(),
    ask(script: object, _name: string, _args: readonly string[], { onSend }: { onSend?: () => void }) {
      onSend?.()
      if (script !== JOIN) return Promise.resolve(['-1', '0', 'held 7 0'])
      // Another lock of this process has opened it meanwhile.
      connection.hearsSince = 1
      return Promise.resolve(['waiting', '-1'])
    },
  }
  const parts = {
    // No renewal comes in time.
    settings: { namespace: 'ns', replicas: 0 },
    lease: { ttlMs: 86_400_000 },
    connection,
    identity: { client: 'client', pid: 1, command: '' },
    own: new Map(),
    nextId: () => 'client.1',
  }
  const waiting = new RedisQueue(parts as unknown as QueueParts, 'name')
  const request = makeRequest([])
  const ticket = await waiting.enqueue(request)
  await waiting.anyChange(ticket!, [], request.cancellation)
  assert.equal(ticket!.facts?.token, 7n)
})

test('a grant that is gone when enough replicas have been counted is not held, and a new one is counted again', async () => {
  const replies = ['held 7 0', 'waiting 5', 'held 6 0', 'held 6 0']
  let counted = 0
  const connection = {
    hearsSince: 1,
    use: () => undefined,
    unuse: () => undefined,
    ask(script: object, _name: string, _args: readonly string[], { onSend }: { onSend?: () => void }) {
      onSend?.()
      const reply = replies.shift() ?? assert.fail('nothing more is asked')
      return Promise.resolve(script === JOIN ? [reply, '-1'] : ['-1', '0', reply])
    },
    countReplicas() {
      counted += 1
      return Promise.resolve(1)
    },
  }
  const parts = {
    settings: { namespace: 'ns', replicas: 1 },
    lease: { ttlMs: 86_400_000 },
    connection,
    identity: { client: 'client', pid: 1, command: '' },
    own: new Map(),
    nextId: () => 'client.1',
  }
  const confirming = new RedisQueue(parts as unknown as QueueParts, 'name')
  const ticket = await confirming.enqueue(makeRequest([]))
  const decide = async (): Promise<string> => decideTurn(ticket!, await confirming.list(ticket!)).kind
  assert.equal(await decide(), 'blocked')
  await confirming.renew()
  assert.equal(await decide(), 'held')
  assert.deepEqual([counted, ticket!.facts?.token], [2, 6n])
})
