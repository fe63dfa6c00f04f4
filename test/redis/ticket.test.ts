// Answers and notifications come over two connections, in any order, and some never come.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { EXCLUSIVE } from '../../src/core/claim.ts'
import { decideTurn } from '../../src/core/turn.ts'
import { readClocks } from '../../src/engines/deadline.ts'
import type { QueueParts } from '../../src/engines/redis/queue.ts'
import { RedisQueue } from '../../src/engines/redis/queue.ts'
import type { Script } from '../../src/engines/redis/scripts.ts'
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

/** A queue over a connection that answers each script as `reply` says. */
function openQueue(
  reply: (script: Script, args: readonly string[]) => readonly string[] | Promise<readonly string[]>,
  { hearsSince = 1, replicas = 0, countReplicas = async (): Promise<number> => 0 } = {},
) {
  const connection = {
    hearsSince,
    use: () => undefined,
    unuse: () => undefined,
    subscribe: () => Promise.resolve(),
    countReplicas,
    ask(script: Script, _name: string, args: readonly string[], { onSend }: { onSend?: () => void }) {
      onSend?.()
      return Promise.resolve(reply(script, args))
    },
  }
  const own: QueueParts['own'] = new Map()
  const parts = {
    settings: { namespace: 'ns', replicas },
    // No renewal comes by itself.
    lease: { ttlMs: 86_400_000 },
    connection,
    identity: { client: 'client', pid: 1, command: '' },
    own,
    nextId: () => 'client.1',
  }
  return { queue: new RedisQueue(parts as unknown as QueueParts, 'name'), connection, own }
}

const { queue } = openQueue(() => assert.fail('nothing is asked of the server'))
const turnOf = (ticket: OwnTicket): string => decideTurn(ticket, queue.list(ticket) as []).kind

function answer(ticket: OwnTicket, reply: string): void {
  ticket.onReply(reply, readClocks(), TTL_MS)
}

describe('a ticket in Redis', () => {
  test('waits, is granted by a notification, and is not reset by an older answer', () => {
    const { ticket } = makeTicket()
    ticket.onNotice('held 7 1')
    answer(ticket, 'waiting 0')
    assert.equal(turnOf(ticket), 'held')
    assert.deepEqual(ticket.facts, { token: 7n, recovered: true })
    answer(ticket, 'waiting 0')
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
      const { ticket, told } = makeTicket()
      answer(ticket, 'held 7 0')
      ticket.onReply('waiting 5', readClocks(), TTL_MS, ticket.facts)
      assert.equal(turnOf(ticket), 'blocked')
      ticket.onNotice('held 7 0')
      assert.equal(turnOf(ticket), 'blocked')
      answer(ticket, 'held 6 0')
      assert.equal(turnOf(ticket), 'held')
      assert.equal(ticket.facts?.token, 6n)
      ticket.becomeHeld()
      ticket.onNotice('stolen 6')
      assert.deepEqual(told, ['stolen'])
    })

    test('keeps the grant that it has there, whatever is published of the old one', () => {
      const { ticket, told } = makeTicket()
      answer(ticket, 'held 7 0')
      answer(ticket, 'held 6 0')
      assert.equal(ticket.onNotice('held 7 0'), false)
      assert.equal(ticket.facts?.token, 6n)
      ticket.becomeHeld()
      // Only a renewal can tell a server that was cut off from one that has taken over.
      for (const notice of ['held 7 0', 'held 8 0']) assert.equal(ticket.onNotice(notice), false)
      assert.equal(ticket.onNotice('held 6 0'), true)
      assert.deepEqual(told, [])
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
    answer(ticket, 'waiting 0')
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
  const { queue: waiting, connection } = openQueue(
    (script) => {
      if (script !== JOIN) return ['-1', '0', 'held 7 0']
      // Another lock of this process has opened it meanwhile.
      connection.hearsSince = 1
      return ['waiting 0', '-1']
    },
    { hearsSince: 0 },
  )
  const request = makeRequest([])
  const ticket = await waiting.enqueue(request)
  await waiting.anyChange(ticket!, [], request.cancellation)
  assert.equal(ticket!.facts?.token, 7n)
})

test('a grant that is gone when enough replicas have been counted is not held, and a new one is counted again', async () => {
  const states = ['held 7 0', 'waiting 5', 'held 6 0', 'held 6 0']
  let counted = 0
  const { queue: confirming, own } = openQueue(
    (script) => {
      const state = states.shift() ?? assert.fail('nothing more is asked')
      return script === JOIN ? [state, '-1'] : ['-1', '0', state]
    },
    { replicas: 1, countReplicas: () => Promise.resolve((counted += 1)) },
  )
  const ticket = await confirming.enqueue(makeRequest([]))
  const decide = async (): Promise<string> => decideTurn(ticket!, await confirming.list(ticket!)).kind
  assert.equal(await decide(), 'blocked')
  await own.get(ticket!.id)!.renewals.renew()
  assert.equal(await decide(), 'held')
  assert.deepEqual([counted, ticket!.facts?.token], [2, 6n])
})

test('a ticket whose turn was notified before the reply to its request to join is not renewed before it', async () => {
  for (const reply of ['waiting 8', 'held 9 0']) {
    const asked: Script[] = []
    let answerJoin: ((reply: readonly string[]) => void) | undefined
    const { queue: joining, own } = openQueue((script) => {
      asked.push(script)
      return script === JOIN ? new Promise((resolve) => (answerJoin = resolve)) : ['-1', '0', 'gone']
    })
    const enqueued = joining.enqueue(makeRequest([]))
    await setImmediate()
    own.get('client.1')!.ticket.onNotice('held 7 0')
    await own.get('client.1')!.renewals.renew()
    answerJoin!([reply, '-1'])
    const ticket = await enqueued
    assert.equal(turnOf(ticket!), reply === 'waiting 8' ? 'blocked' : 'held')
    assert.deepEqual(asked, [JOIN])
  }
})

test('a request comes behind an earlier one of its process whose grant is still to be confirmed', async () => {
  const older: (string | undefined)[] = []
  const { queue: confirming } = openQueue(
    (script, args) => {
      if (script === JOIN) older.push(args[6])
      return ['held 7 0', '-1']
    },
    { replicas: 1 },
  )
  const ticket = await confirming.enqueue(makeRequest([]))
  await confirming.enqueue(makeRequest([]))
  assert.deepEqual(older, ['', ticket!.id])
})

test('a downgrade finds out that the server does not have the grant', async () => {
  for (const reply of ['gone', 'waiting 8', 'held 9 0', 'held 7 0']) {
    const { queue: downgrading } = openQueue((script) => (script === JOIN ? ['held 7 0', '-1'] : [reply]))
    const told: string[] = []
    const ticket = await downgrading.enqueue(makeRequest(told))
    downgrading.granted(ticket!)
    await downgrading.downgrade(ticket!)
    assert.deepEqual(told, reply === 'held 7 0' ? [] : ['lost'])
  }
})
