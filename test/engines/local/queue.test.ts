import assert from 'node:assert/strict'
import fs from 'node:fs'
import net from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { after, describe, test } from 'node:test'
import { Cancellation } from '../../../src/requests/cancellation.ts'
import type { EnqueueRequest } from '../../../src/requests/ticket-queue.ts'
import { EXCLUSIVE, permitClaim } from '../../../src/core/claim.ts'
import { QueueDirectory } from '../../../src/engines/local/directory.ts'
import { OwnMembers } from '../../../src/engines/local/members/own-members.ts'
import { Presence } from '../../../src/engines/local/members/presence.ts'
import { QueueState } from '../../../src/engines/local/state.ts'
import { LocalQueue } from '../../../src/engines/local/queue.ts'
import type { OwnTicket } from '../../../src/engines/local/ticket.ts'

const parent = fs.mkdtempSync(path.join(os.tmpdir(), 'slocket-queue-'))
after(() => fs.rmSync(parent, { recursive: true, force: true }))

test('without hard links, a ticket that is withdrawn while it connects leaves no mark', async (context) => {
  context.mock.method(fs, 'linkSync', () => {
    throw Object.assign(new Error('no hard links'), { code: 'EPERM' })
  })
  const lockPath = path.join(parent, 'lock')
  const [ahead, behind] = [newQueue(lockPath), newQueue(lockPath)]
  const first = (await ahead.enqueue(request()))!
  const asked = request()
  const second = (await behind.enqueue(asked))!
  const listing = behind.list(second)
  assert.deepEqual(namesIn(lockPath), [first.name, second.name])
  const change = behind.anyChange(second, listing.slice(0, 1), asked.cancellation)
  asked.cancellation.cancel()
  behind.withdraw(second)
  await change
  assert.deepEqual(namesIn(lockPath), [first.name])
  ahead.withdraw(first)
  assert.equal(fs.existsSync(lockPath), false)
})

test('isLast lists, wasLast tells what the last listing showed', async () => {
  const lockPath = path.join(parent, 'last')
  const [ahead, behind] = [newQueue(lockPath), newQueue(lockPath)]
  const first = (await ahead.enqueue(request()))!
  const second = (await behind.enqueue(request()))!
  assert.ok(ahead.wasLast(first))
  assert.equal(ahead.isLast(first), false)
  behind.withdraw(second)
  assert.equal(ahead.wasLast(first), false)
  assert.ok(ahead.isLast(first))
  assert.ok(ahead.wasLast(first))
  ahead.withdraw(first)
})

test('a new member asks others for a sign of life only once its ticket is in the queue', async (context) => {
  const lockPath = path.join(parent, 'asks')
  const [ahead, behind] = [newQueue(lockPath), newQueue(lockPath)]
  const first = (await ahead.enqueue(request()))!
  await new Promise((resolve) => setImmediate(resolve))
  const connect = context.mock.method(net, 'connect')
  const second = (await behind.enqueue(request()))!
  assert.deepEqual(namesIn(lockPath), [first.name, second.name])
  assert.equal(connect.mock.callCount(), 0)
  await new Promise((resolve) => setImmediate(resolve))
  assert.equal(connect.mock.callCount(), 1)
  behind.withdraw(second)
  ahead.withdraw(first)
})

test('a new member of a synchronous call asks others at once, however many such calls one turn has', async (context) => {
  const lockPath = path.join(parent, 'synchronous')
  const [idle, busy] = [newQueue(lockPath), newQueue(lockPath)]
  idle.withdraw((await idle.enqueue(request({ lingerMs: 60_000 })))!)
  await new Promise((resolve) => setImmediate(resolve))
  const connect = context.mock.method(net, 'connect')
  const takeOnce = (): void => busy.withdraw(busy.joinIfFree(request())!)
  takeOnce()
  assert.equal(connect.mock.callCount(), 1)
  idle.leave()
  fs.rmSync(lockPath, { recursive: true, force: true })
  for (let times = 0; times < 20; times += 1) takeOnce()
  const last = busy.joinIfFree(request())!
  await new Promise((resolve) => setImmediate(resolve))
  assert.equal(connect.mock.callCount(), 1)
  busy.withdraw(last)
})

describe('the descriptor by which a long path is reached', { skip: !fs.existsSync('/proc/self/fd') }, () => {
  const lockPath = path.join(parent, 'long '.repeat(20))
  const open = (): string[] =>
    fs.readdirSync('/proc/self/fd').filter((name) => {
      try {
        return fs.readlinkSync(`/proc/self/fd/${name}`) === lockPath
      } catch {
        // That of the listing itself.
        return false
      }
    })

  test('is closed if others cannot be asked after the presence has ended', async (context) => {
    const [ahead, behind] = [newQueue(lockPath), newQueue(lockPath)]
    const first = (await ahead.enqueue(request()))!
    await new Promise((resolve) => setImmediate(resolve))
    const second = (await behind.enqueue(request()))!
    behind.withdraw(second)
    const connect = context.mock.method(net, 'connect', () => {
      throw new Error('no connections')
    })
    await new Promise((resolve) => setImmediate(resolve))
    assert.ok(connect.mock.callCount() > 0)
    assert.deepEqual(open(), [])
    ahead.withdraw(first)
  })

  test('may be closed by somebody else', async () => {
    const [ahead, behind] = [newQueue(lockPath), newQueue(lockPath)]
    const first = (await ahead.enqueue(request()))!
    await new Promise((resolve) => setImmediate(resolve))
    const second = (await behind.enqueue(request()))!
    await new Promise((resolve) => setImmediate(resolve))
    assert.equal(open().length, 1)
    fs.closeSync(Number(open()[0]))
    behind.withdraw(second)
    const third = (await behind.enqueue(request()))!
    behind.withdraw(third)
    ahead.withdraw(first)
  })
})

test('a ticket behind many tickets of one process connects to it once', async (context) => {
  const connect = context.mock.method(net, 'connect')
  const lockPath = path.join(parent, 'many')
  const [ahead, behind] = [newQueue(lockPath), newQueue(lockPath)]
  const asked = (): CancellableRequest => ({ ...request(), claim: permitClaim(20) })
  const tickets: OwnTicket[] = []
  for (let count = 0; count < 20; count += 1) tickets.push((await ahead.enqueue(asked()))!)
  const waiting = asked()
  const own = (await behind.enqueue(waiting))!
  // Its new member asks the other one whether it is alive.
  await new Promise((resolve) => setImmediate(resolve))
  connect.mock.resetCalls()
  await behind.anyChange(own, behind.list(own).slice(0, 20), waiting.cancellation)
  assert.equal(connect.mock.callCount(), 1)
  assert.ok(
    behind
      .list(own)
      .slice(0, 20)
      .every(({ live }) => live),
  )
  behind.withdraw(own)
  for (const ticket of tickets) ahead.withdraw(ticket)
  assert.equal(fs.existsSync(lockPath), false)
})

test('a ticket that has left makes no more connections', async (context) => {
  const lockPath = path.join(parent, 'left')
  const [ahead, behind] = [newQueue(lockPath), newQueue(lockPath)]
  const first = (await ahead.enqueue(request()))!
  const asked = request()
  const second = (await behind.enqueue(asked))!
  const listing = behind.list(second)
  const connect = context.mock.method(net, 'connect')
  behind.withdraw(second)
  await behind.anyChange(second, listing.slice(0, 1), asked.cancellation)
  assert.equal(connect.mock.callCount(), 0)
  ahead.withdraw(first)
})

test('a ticket that finds itself gone when it leaves wakes all, since theirs may be gone too', async (context) => {
  const lockPath = path.join(parent, 'removed')
  const queue = newQueue(lockPath)
  const own = (await queue.enqueue(request()))!
  const wakeAll = context.mock.method(OwnMembers.prototype, 'wakeAll')
  fs.rmSync(lockPath, { recursive: true })
  queue.withdraw(own)
  assert.equal(wakeAll.mock.callCount(), 1)
})

test('a ticket that has joined but cannot be watched leaves', async (context) => {
  context.mock.method(Presence.prototype, 'watch', () => {
    throw new Error('no timers')
  })
  const lockPath = path.join(parent, 'unwatched')
  const queue = newQueue(lockPath)
  await assert.rejects(async () => await queue.enqueue(request()), /no timers/)
  assert.equal(fs.existsSync(lockPath), false)
})

function newQueue(lockPath: string): LocalQueue {
  const directory = new QueueDirectory(lockPath)
  const presence = new Presence(directory, { onPresent: () => {}, onAway: () => {} })
  const queue = new LocalQueue(new QueueState(directory, presence))
  presence.attach(queue)
  return queue
}

interface CancellableRequest extends EnqueueRequest {
  readonly cancellation: Cancellation
}

function request({ lingerMs = 0 }: { lingerMs?: number } = {}): CancellableRequest {
  return {
    claim: EXCLUSIVE,
    wait: true,
    steal: false,
    lingerMs,
    cancellation: new Cancellation(),
    requests: () => [],
    onLost: () => {},
    onStolen: () => {},
  }
}

function namesIn(lockPath: string): string[] {
  return fs
    .readdirSync(lockPath)
    .filter((name) => name !== '.members')
    .sort()
}
