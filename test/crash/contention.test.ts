/** Processes contend for one lock and are killed while they do: also the part of `npm run test:file-systems` that CI runs on each file system. */
import assert from 'node:assert/strict'
import type { Client } from '../helpers/client.ts'
import { ticketsIn, untilGoneIfModesAreKept } from '../helpers/lock-directory.ts'
import type { Scene } from '../helpers/scenario.ts'
import { NO_STOPS, scenario } from '../helpers/scenario.ts'
import { until } from '../helpers/until.ts'

const LEAVE = { linger: 0 }
/** How many grants there are between two kills, at least. */
const GRANTS = 20

scenario('four processes contend while one is killed again and again: two never hold', async (scene) => {
  const clients = await scene.spawnAll('a', 'b', 'c', 'd', 'e', 'f', 'g', 'h')
  // Each time one is killed another one comes, but for the last four.
  const coming: Client[] = [...clients]
  for (const client of coming.splice(0, 4)) contend(scene, client)
  for (const client of clients) {
    const before = scene.journal.grants().length
    await until('they go on', () => {
      scene.verifyClients()
      return scene.journal.grants().length >= before + GRANTS
    })
    await client.kill()
    for (const next of coming.splice(0, 1)) contend(scene, next)
  }
})

scenario(
  'after a holder is killed, the next one has recovered; a stopped holder keeps the lock',
  { skip: NO_STOPS },
  async (scene) => {
    const [holder, waiter, last] = await scene.spawnAll('holder', 'waiter', 'last')
    await holder.acquire(scene.path, LEAVE)
    await waiter.enqueue(scene.path, LEAVE)
    await holder.stop()
    assert.equal(await last.try(scene.path, LEAVE), false)
    await holder.kill()
    assert.equal((await waiter.next('granted')).recovered, true)
    await last.enqueue(scene.path, LEAVE)
    await waiter.release()
    await last.next('granted')
    await last.release()
    assert.deepEqual(ticketsIn(scene.path), [])
    await untilGoneIfModesAreKept(scene.path)
  },
)

function contend(scene: Scene, client: Client): void {
  client.send({ do: 'contend', path: scene.path, rounds: 1_000_000, options: LEAVE, counter: scene.counter })
}
