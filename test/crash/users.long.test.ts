/** Processes of two users: R14. */
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { join } from 'node:path'
import type { Client } from '../helpers/client.ts'
import { slocket } from '../../src/index.ts'
import { ticketsIn, treeOf } from '../helpers/lock-directory.ts'
import { reasonNotRoot } from '../helpers/privileges.ts'
import type { Scene } from '../helpers/scenario.ts'
import { scenario } from '../helpers/scenario.ts'

const NOBODY = { uid: 65_534, gid: 65_534 }
const skip = reasonNotRoot()

scenario("another user's lock is a clear error, held or free, and is not touched (R14)", { skip }, async (scene) => {
  const [root, nobody] = await spawnBoth(scene)
  await root.acquire(scene.path)
  const before = treeOf(scene.path)
  await refuses(scene, nobody)
  assert.deepEqual(treeOf(scene.path), before)
  const { held } = await slocket.query(scene.path)
  assert.equal(held.length, 1)
  await root.release()
  const free = treeOf(scene.path)
  await refuses(scene, nobody)
  assert.deepEqual(treeOf(scene.path), free)
})

scenario("a lock in another user's directory is an error, and nothing is created", { skip }, async (scene) => {
  const [root, nobody] = await spawnBoth(scene)
  await refuses(scene, nobody)
  assert.equal(fs.existsSync(scene.path), false)
  await root.acquire(scene.path)
})

scenario(
  "in a directory for two users, a user does not pass another one's ticket that it may not reach",
  { skip },
  async (scene) => {
    const [root, nobody] = await spawnBoth(scene)
    makeShared(scene.path)
    await root.acquire(scene.path)
    const [held] = ticketsIn(scene.path)
    fs.chmodSync(join(scene.path, held!.name), 0o755)
    await refuses(scene, nobody)
    assert.equal(ticketsIn(scene.path).length, 1, 'it leaves no ticket')
    await root.release()
    await nobody.acquire(scene.path)
    // Root may reach all.
    await root.enqueue(scene.path)
    await nobody.kill()
    assert.equal((await root.next('granted')).recovered, true)
  },
)

scenario(
  "another user's dead ticket in a sticky directory is a clear error, or no obstacle",
  { skip },
  async (scene) => {
    const [root, nobody] = await spawnBoth(scene)
    const other = await scene.spawn('other', NOBODY)
    makeShared(scene.path)
    await root.acquire(scene.path)
    await root.kill()
    other.send({ do: 'acquire', path: scene.path, options: { timeout: 10_000 } })
    const { event, code } = await other.next('granted|rejected')
    if (event === 'rejected') assert.equal(code, 'ERR_SLOCKET_PERMISSION')
    else {
      assert.equal(await nobody.try(scene.path), false)
      await nobody.enqueue(scene.path)
      await other.release()
      await nobody.next('granted')
    }
  },
)

async function spawnBoth(scene: Scene): Promise<[Client, Client]> {
  fs.chmodSync(scene.directory, 0o755)
  fs.chmodSync(scene.journal.file, 0o666)
  return await Promise.all([scene.spawn('root'), scene.spawn('nobody', NOBODY)])
}

/** As the documentation tells administrators to: `mkdir -m 1777`, for both. */
function makeShared(path: string): void {
  for (const directory of [path, join(path, '.members')]) {
    fs.mkdirSync(directory)
    fs.chmodSync(directory, 0o1777)
  }
}

async function refuses(scene: Scene, client: Client): Promise<void> {
  assert.equal((await client.fail(scene.path)).code, 'ERR_SLOCKET_PERMISSION')
  client.send({ do: 'try', path: scene.path })
  assert.equal((await client.next('rejected')).code, 'ERR_SLOCKET_PERMISSION')
}
