/** A file system on which a hard link to a socket does not lead to it, as with the high-level interface of FUSE. `npm run test:file-systems` has real ones. */
import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Client, ClientOptions } from '../helpers/client.ts'
import { ticketsIn, untilGone } from '../helpers/lock-directory.ts'
import type { Scene } from '../helpers/scenario.ts'
import { scenario } from '../helpers/scenario.ts'

const DEAD_LINKS: ClientOptions = { preload: new URL('../fixtures/dead-links.js', import.meta.url).href }
const LEAVE = { linger: 0 }
const STAY = { linger: 60_000 }

scenario(
  'where a link does not lead to its socket, one that lives is waited for, and a dead one is found out',
  async (scene) => {
    const [holder, waiter, last] = await spawnAll(scene, 'holder', 'waiter', 'last')
    await holder.acquire(scene.path)
    assert.equal(await waiter.try(scene.path), false)
    await waiter.enqueue(scene.path)
    await last.enqueue(scene.path)
    await holder.kill()
    assert.equal((await waiter.next('granted')).recovered, true)
    await waiter.release()
    assert.equal((await last.next('granted')).recovered, false)
  },
)

scenario('where a link does not lead to its socket, processes contend, and leave nothing behind', async (scene) => {
  const clients = await spawnAll(scene, 'a', 'b', 'c', 'd')
  for (const [index, client] of clients.entries())
    client.send({
      do: 'contend',
      path: scene.path,
      rounds: 50,
      options: index % 2 === 0 ? LEAVE : {},
      counter: scene.counter,
    })
  await Promise.all(clients.map((client) => client.next('done')))
  await untilGone(scene.path)
})

scenario(
  'where a link does not lead to its socket, that is tried once for each member, not for each ticket',
  async (scene) => {
    const [client, beside] = await spawnAll(scene, 'client', 'beside')
    for (let round = 0; round < 3; round += 1) {
      await client.acquire(scene.path, STAY)
      assert.equal(await beside.try(scene.path), false)
      // The member's socket, and not one link that was tried.
      assert.deepEqual(
        readdirSync(join(scene.path, '.members')).filter((name) => name.includes(`.${client.pid}`)).length,
        1,
      )
      assert.equal(ticketsIn(scene.path).length, 1)
      await client.release()
    }
  },
)

async function spawnAll<const Names extends readonly string[]>(
  scene: Scene,
  ...names: Names
): Promise<{ [Name in keyof Names]: Client }> {
  return (await Promise.all(names.map((name) => scene.spawn(name, DEAD_LINKS)))) as { [Name in keyof Names]: Client }
}
