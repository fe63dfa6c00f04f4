/** What belongs to a lock is removed from outside: R21. */
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { join } from 'node:path'
import { slocket } from '../../src/index.ts'
import type { Client } from '../helpers/client.ts'
import { ticketsIn, untilGone, untilWaiting } from '../helpers/lock-directory.ts'
import { takeTurns } from '../helpers/party.ts'
import type { Scene } from '../helpers/scenario.ts'
import { NO_STOPS, scenario } from '../helpers/scenario.ts'
import { failEvery, WITH_STEPS } from '../helpers/steps.ts'

const REMOVALS: Readonly<Record<string, (scene: Scene, holder: Client) => void>> = {
  'the ticket is removed': (scene, holder) => removeTickets(scene.path, holder.pid),
  'the directory is removed': (scene) => fs.rmSync(scene.path, { recursive: true }),
  'the directory is moved away': (scene) => fs.renameSync(scene.path, join(scene.directory, 'elsewhere')),
}

for (const [what, remove] of Object.entries(REMOVALS)) {
  scenario(
    `while a lock is held, ${what}: its holder is notified, and its release affects no later holder (R21)`,
    async (scene) => {
      const [holder, next, passer] = await scene.spawnAll('holder', 'next', 'passer')
      await holder.acquire(scene.path)
      disown(scene, holder)
      remove(scene, holder)
      const { code, isSlocketError } = await holder.next('lost')
      assert.deepEqual([code, isSlocketError], ['ERR_SLOCKET_LOST', true])
      assert.equal(await holder.isHolding(), false)

      await next.acquire(scene.path)
      await holder.release()
      assert.equal(await passer.try(scene.path), false)
      assert.equal(await next.isHolding(), true)

      await holder.enqueue(scene.path, {}, { as: 'again' })
      await next.release()
      await holder.next('granted', 'again')
    },
  )

  scenario(`while others wait, ${what}: all of them get their turn, one after the other`, async (scene) => {
    const [holder, a, b] = await scene.spawnAll('holder', 'a', 'b')
    await holder.acquire(scene.path)
    await a.enqueue(scene.path)
    await b.enqueue(scene.path)
    disown(scene, holder)
    // A directory is removed file by file. If only the tickets ahead are gone, a waiter gets its turn, and loses it when its own goes.
    const stopped = NO_STOPS === false ? [a, b] : []
    for (const waiter of stopped) await waiter.stop()
    remove(scene, holder)
    for (const waiter of stopped) waiter.continue()
    await takeTurns([a, b])
    await holder.next('lost')
  })
}

scenario('a waiter whose ticket is removed joins again, at the end, and gets its turn', async (scene) => {
  const [holder, a, b] = await scene.spawnAll('holder', 'a', 'b')
  await holder.acquire(scene.path)
  await a.enqueue(scene.path)
  await b.enqueue(scene.path)
  removeTickets(scene.path, a.pid)
  await untilWaiting(scene.path, 1, a.pid)
  await holder.release()
  await b.next('granted')
  await b.release()
  await a.next('granted')
})

scenario('a waiter whose ticket is removed joins again, is aborted, and leaves no ticket', async (scene) => {
  const holder = await scene.spawn('holder')
  await holder.acquire(scene.path)
  const controller = new AbortController()
  const waiting = slocket(scene.path, { signal: controller.signal })
  await untilWaiting(scene.path, 1, process.pid)
  removeTickets(scene.path, process.pid)
  await untilWaiting(scene.path, 1, process.pid)
  controller.abort()
  const left = ticketsIn(scene.path).filter(({ pid }) => pid === process.pid)
  assert.deepEqual(left, [])
  await assert.rejects(waiting, (error) => error === controller.signal.reason)
})

scenario('a process whose member socket is removed keeps its lock, and waits and acquires as usual', async (scene) => {
  const [holder, waiter] = await scene.spawnAll('holder', 'waiter')
  await holder.acquire(scene.path)
  fs.rmSync(join(scene.path, '.members'), { recursive: true })
  await waiter.enqueue(scene.path)
  assert.equal(await holder.isHolding(), true)
  await holder.release()
  await waiter.next('granted')
  await holder.enqueue(scene.path, { linger: 0 }, { as: 'again' })
  waiter.send({ do: 'release' }, { do: 'exit', code: 0 })
  await holder.next('granted', 'again')
  await waiter.ended()
  await holder.release('again')
  await untilGone(scene.path)
})

scenario(
  'without hard links, the directory is removed while it is idle: the next acquire creates it again',
  async (scene) => {
    const [client, other] = await Promise.all([scene.spawn('client', WITH_STEPS), scene.spawn('other')])
    client.send({ do: 'plan', plan: failEvery(scene.path, 'linkSync', 'EPERM') })
    await client.acquire(scene.path, { linger: 60_000 })
    await client.release()
    fs.rmSync(scene.path, { recursive: true })
    await client.acquire(scene.path, {}, 'again')
    await other.enqueue(scene.path)
    await client.release('again')
    await other.next('granted')
  },
)

scenario('the directory is removed again and again while processes contend: none crashes or hangs', async (scene) => {
  const clients = await scene.spawnAll('a', 'b', 'c')
  for (const client of clients)
    client.send({ do: 'contend', path: scene.path, rounds: 300, options: { mode: 'shared' } })
  const done = Promise.all(clients.map((client) => client.next('done'))).then(() => true)
  while (!(await Promise.race([done, new Promise<false>((resolve) => setTimeout(resolve, 20, false))]))) {
    removeUnderway(scene.path)
  }
})

scenario('a loss is reported to all holders of a process with the same ticket', async (scene) => {
  const client = await scene.spawn('client')
  await client.acquire(scene.path, { mode: 'shared' }, 'first')
  await client.acquire(scene.path, { mode: 'shared' }, 'second')
  fs.rmSync(scene.path, { recursive: true })
  await client.next('lost', 'first')
  await client.next('lost', 'second')
})

scenario('waiters of the same process behind a lost lock get their turn', async (scene) => {
  const client = await scene.spawn('client')
  await client.acquire(scene.path, {}, 'first')
  client.send({ do: 'acquire', path: scene.path, as: 'second' })
  await client.ping()
  disown(scene, client)
  fs.rmSync(scene.path, { recursive: true })
  await client.next('lost', 'first')
  await client.next('granted', 'second')
})

/** As much of it as is there at this moment. */
function removeUnderway(path: string): void {
  try {
    fs.rmSync(path, { recursive: true, force: true })
  } catch (error) {
    assert.equal((error as NodeJS.ErrnoException).code, 'ENOTEMPTY')
  }
}

function removeTickets(path: string, pid: number): void {
  for (const ticket of ticketsIn(path)) if (ticket.pid === pid) fs.unlinkSync(join(path, ticket.name))
}

/** What it holds by now does not count for the journal: it is about to be taken from it, behind its back. */
function disown(scene: Scene, holder: Client): void {
  scene.journal.write({ kind: '!', who: holder.name })
}
