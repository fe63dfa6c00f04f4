// What the queues of named locks do when a connection to another process has ended.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after, test } from 'node:test'
import { LockManager } from '../../../src/index.ts'
import { Presence } from '../../../src/engines/local/members/presence.ts'
import { openNames } from '../../../src/engines/local/names/index.ts'
import { LocalQueue } from '../../../src/engines/local/queue.ts'
import { QueueState } from '../../../src/engines/local/state.ts'
import { until } from '../../helpers/until.ts'

const root = fs.mkdtempSync(path.join(os.tmpdir(), 'slocket-names-'))
after(() => fs.rmSync(root, { recursive: true, force: true }))

test('the end of a connection repeats notifications, makes own tickets look again, and asks what the other process has left', async (context) => {
  const attach = context.mock.method(Presence.prototype, 'attach')
  const [one, other] = [1, 2].map(() => new LockManager({ engine: openNames(root) })) as [LockManager, LockManager]
  const presence = attach.mock.calls[0]!.this as Presence
  const ends: (() => void)[] = []
  const hold = (): Promise<void> => new Promise((resolve) => ends.push(resolve))

  const first = one.request('lock', hold)
  await until('it is held', () => ends.length === 1)
  const second = other.request('lock', hold)
  await until('it waits', async () => (await other.query()).pending?.length === 1)
  ends[0]!()
  await until('it is held by the other', () => ends.length === 2)
  const third = one.request('another lock', hold)
  await until('both are held', () => ends.length === 3)

  const file = fs
    .readdirSync(path.join(root, '.members'))
    .find((name) => !name.startsWith(presence.members.current!.id))!
  const wake = context.mock.method(LocalQueue.prototype, 'onWake')
  const look = context.mock.method(QueueState.prototype, 'wakeOwn')
  const ask = context.mock.method(Presence.prototype, 'ask')
  presence.onDisconnected(file.split('.')[0]!)
  assert.equal(look.mock.callCount(), 1)
  assert.deepEqual(
    ask.mock.calls.map(({ arguments: [asked] }) => asked),
    [file],
  )
  await until('the other is notified again', () => wake.mock.callCount() === 1)

  for (const end of ends) end()
  await Promise.all([first, second, third])
})
