/** A member whose socket was removed from outside stays for the tickets that it has; the next ones have another member. */
import assert from 'node:assert/strict'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after, test } from 'node:test'
import { Cancellation } from '../../../src/requests/cancellation.ts'
import type { EnqueueRequest } from '../../../src/requests/ticket-queue.ts'
import type { Claim } from '../../../src/core/claim.ts'
import { EXCLUSIVE, SHARED } from '../../../src/core/claim.ts'
import { decideTurn } from '../../../src/core/turn.ts'
import { QueueDirectory } from '../../../src/engines/local/directory.ts'
import { Presence } from '../../../src/engines/local/members/presence.ts'
import { QueueState } from '../../../src/engines/local/state.ts'
import { LocalQueue } from '../../../src/engines/local/queue.ts'

const parent = fs.mkdtempSync(path.join(os.tmpdir(), 'slocket-retired-'))
after(() => fs.rmSync(parent, { recursive: true, force: true }))

test("a waiter notices the holder's death even if the member that had connected to it is gone", async () => {
  const lockPath = path.join(parent, 'lock')
  const [holder, waiters, other] = [newQueue(lockPath), newQueue(lockPath), newQueue(lockPath)]
  const held = (await holder.queue.enqueue(request(EXCLUSIVE)))!
  holder.queue.granted(held)
  const asked = request(SHARED)
  const first = (await waiters.queue.enqueue(asked))!
  await waiters.queue.anyChange(first, waiters.queue.list(first).slice(0, 1), asked.cancellation)
  // It is told in place of all who stand behind it: it knows the member that is to go.
  const between = (await other.queue.enqueue(asked))!
  await other.queue.anyChange(between, other.state.view.read().slice(1, 2), asked.cancellation)
  fs.rmSync(path.join(lockPath, '.members', `${first.owner.id}.${process.pid}`))
  const second = (await waiters.queue.enqueue(asked))!
  assert.notEqual(second.member, first.member)
  const turn = untilTurn(waiters.queue, second)
  await until(() => other.presence.members.connectionsTo(first.owner.id).some(({ isAnswered }) => isAnswered))
  await until(() => waiters.presence.members.connectionsTo(held.owner.id).every(({ isAnswered }) => isAnswered))
  // And it is known to the holder by its own member, which would be told.
  await until(() => holder.presence.members.connectionsTo(second.owner.id).length > 0)
  waiters.queue.withdraw(first)
  await until(() => holder.presence.members.connectionsTo(first.owner.id).length === 0)
  // As when its process ends: its ticket stays, dead.
  held.owner.close()
  await turn
  waiters.queue.withdraw(second)
  other.queue.withdraw(between)
})

/** As the recipe does. */
async function untilTurn(queue: LocalQueue, own: Awaited<ReturnType<LocalQueue['enqueue']>>): Promise<void> {
  for (;;) {
    const turn = decideTurn(own!, queue.list(own!))
    if (turn.kind !== 'blocked') return assert.equal(turn.kind, 'held')
    await queue.anyChange(own!, turn.on, own!.request.cancellation)
  }
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve))
}

function newQueue(lockPath: string): { queue: LocalQueue; presence: Presence; state: QueueState } {
  const directory = new QueueDirectory(lockPath)
  const presence = new Presence(directory, { onPresent: () => {}, onAway: () => {} })
  const state = new QueueState(directory, presence)
  const queue = new LocalQueue(state)
  presence.attach(queue)
  return { queue, presence, state }
}

function request(claim: Claim): EnqueueRequest {
  const cancellation = new Cancellation()
  return {
    claim,
    wait: true,
    steal: false,
    lingerMs: 0,
    cancellation,
    requests: () => [],
    onLost: () => {},
    onStolen: () => {},
  }
}
