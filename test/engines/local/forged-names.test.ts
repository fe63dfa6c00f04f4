/** What has the name of a ticket and is no socket is looked at late: nothing is made of it all the same. */
import assert from 'node:assert/strict'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after, test } from 'node:test'
import { Cancellation } from '../../../src/requests/cancellation.ts'
import type { EnqueueRequest } from '../../../src/requests/ticket-queue.ts'
import { EXCLUSIVE, SHARED } from '../../../src/core/claim.ts'
import { QueueDirectory } from '../../../src/engines/local/directory.ts'
import { Presence } from '../../../src/engines/local/members/presence.ts'
import { QueueState } from '../../../src/engines/local/state.ts'
import { LocalQueue } from '../../../src/engines/local/queue.ts'
import { turnOf } from '../../helpers/turn.ts'
import { nameOfTicket } from '../../helpers/impostor.ts'

const MANY = 200

const parent = fs.mkdtempSync(path.join(os.tmpdir(), 'slocket-forged-'))
after(() => fs.rmSync(parent, { recursive: true, force: true }))

for (const [where, number] of [
  ['ahead of it', '0'.padStart(19, '0')],
  ['behind it', '8'.padEnd(19, '9')],
] as const) {
  test(`many forged tickets ${where} cost a request that joins no extra listing`, async (context) => {
    const lockPath = path.join(parent, where)
    const queue = newQueue(lockPath)
    const first = (await queue.enqueue(request()))!
    for (let count = 0; count < MANY; count += 1) fs.writeFileSync(path.join(lockPath, nameOfTicket({ number })), '')
    const list = context.mock.method(fs, 'readdirSync')
    const asked = request()
    const second = (await queue.enqueue(asked))!
    queue.withdraw(first)
    assert.equal(await turnOf(queue, second, asked), second)
    queue.withdraw(second)
    assert.ok(list.mock.callCount() < MANY / 10, `${list.mock.callCount()} listings`)
  })
}

test('the name of a departed ticket that is reused for something else is checked again', async () => {
  const lockPath = path.join(parent, 'again')
  const [ahead, behind] = [newQueue(lockPath), newQueue(lockPath)]
  const asked = { ...request(), claim: SHARED }
  const first = (await ahead.enqueue(asked))!
  const own = (await behind.enqueue(request()))!
  // It is looked at, and connected to.
  await behind.anyChange(own, behind.list(own).slice(0, 1), asked.cancellation)
  ahead.withdraw(first)
  assert.deepEqual(
    behind.list(own).map(({ id }) => id),
    [own.id],
  )
  const file = path.join(lockPath, first.name)
  fs.writeFileSync(file, 'mine')
  const turn = turnOf(behind, own, request())
  assert.equal(await turn, own)
  assert.equal(behind.granted(own).recovered, false)
  assert.equal(fs.readFileSync(file, 'utf8'), 'mine')
  behind.withdraw(own)
})

test('a file with the id of an own ticket, and with another claim, is skipped', async () => {
  const lockPath = path.join(parent, 'own')
  const queue = newQueue(lockPath)
  // A try, since a waiting request would hang if this fails.
  const asked = { ...request(), wait: false }
  const own = (await queue.enqueue(asked))!
  const file = path.join(lockPath, own.name.replace('-x-', '-s-'))
  fs.writeFileSync(file, 'mine')
  // The listing that it joined by was made before.
  queue.list(own)
  assert.equal((await turnOf(queue, own, asked))?.id, own.id)
  assert.equal(fs.readFileSync(file, 'utf8'), 'mine')
  queue.withdraw(own)
})

function newQueue(lockPath: string): LocalQueue {
  const directory = new QueueDirectory(lockPath)
  const presence = new Presence(directory, { onPresent: () => {}, onAway: () => {} })
  const queue = new LocalQueue(new QueueState(directory, presence))
  presence.attach(queue)
  return queue
}

function request(): EnqueueRequest {
  return {
    claim: EXCLUSIVE,
    wait: true,
    steal: false,
    lingerMs: 0,
    cancellation: new Cancellation(),
    requests: () => [],
    onLost: () => {},
    onStolen: () => {},
  }
}
