/** Containers of Podman and processes of the host that share a directory. */
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { join } from 'node:path'
import type { Client } from '../helpers/client.ts'
import { ticketsIn, untilWaiting } from '../helpers/lock-directory.ts'
import { useOnceAndCleanUp } from '../helpers/party.ts'
import type { ContainerOptions } from '../helpers/podman.ts'
import {
  killContainer,
  makeVolume,
  SHELL_INIT,
  skipContainers,
  startContainer,
  startContainers,
  stopContainer,
} from '../helpers/podman.ts'
import { reasonWithout, runSystem } from '../helpers/privileges.ts'
import type { Scene } from '../helpers/scenario.ts'
import { scenario } from '../helpers/scenario.ts'
import { pass, until } from '../helpers/until.ts'

const skip = skipContainers
/** Longer than the second after which waiters look again by themselves. */
const OBSERVED_MS = 1500
/** How many grants there are between two kills, at least. */
const GRANTS = 20

/** A directory that containers share, at the same path as the host sees it. */
interface Shared {
  readonly path: string
  readonly options: ContainerOptions
}

const SHARED: Readonly<Record<string, (scene: Scene) => Shared>> = {
  'on a bind mount': ({ path }) => ({ path, options: {} }),
  'on a named volume': (scene) => shareVolume(scene),
  'on a named volume in memory': (scene) => shareVolume(scene, 'type=tmpfs', 'device=tmpfs'),
}

for (const [where, share] of Object.entries(SHARED)) {
  scenario(`${where}: containers and the host get the lock in the order of their requests`, { skip }, async (scene) => {
    const { path, options } = share(scene)
    const [a, b] = await startContainers(scene, options, 'a', 'b')
    const [host, last] = await scene.spawnAll('host', 'last')
    await haveItInTurn(scene, path, [a.client, host, b.client, last])
  })

  scenario(
    `${where}: kill -9 of a container's first process frees the lock for the next one, even with the same process id`,
    { skip },
    async (scene) => {
      const { path, options } = share(scene)
      const [a, b, c] = await startContainers(scene, options, 'a', 'b', 'c')
      const host = await scene.spawn('host')
      await a.client.acquire(path)
      b.client.send({ do: 'acquire', path })
      await untilWaiting(path, 1)
      assert.deepEqual(
        ticketsIn(path).map(({ pid }) => pid),
        [1, 1],
      )
      await host.enqueue(path)
      c.client.send({ do: 'acquire', path })
      await untilWaiting(path, 3)

      await killContainer(scene, a)
      assert.equal((await b.client.next('granted')).recovered, true)
      await killContainer(scene, b)
      assert.equal((await host.next('granted')).recovered, true)
      await host.kill()
      assert.equal((await c.client.next('granted')).recovered, true)
      await c.client.release()
      await useOnceAndCleanUp(c.client, path)
    },
  )

  scenario(
    `${where}: containers and the host contend while containers are killed, and two never hold`,
    { skip },
    async (scene) => {
      const { path, options } = share(scene)
      const doomed = await startContainers(scene, options, 'a', 'b', 'c')
      const host = await scene.spawn('host')
      for (const client of [host, ...doomed.map((container) => container.client)])
        client.send({ do: 'contend', path, rounds: 1_000_000 })
      for (const container of doomed) {
        const before = scene.journal.grants().length
        await until('they go on, and it has had the lock', () => {
          scene.verifyClients()
          const order = scene.journal.order()
          return order.length >= before + GRANTS && order.includes(container.client.name)
        })
        await killContainer(scene, container)
      }
      const names = new Set(scene.journal.order())
      assert.deepEqual([...names].sort(), ['a', 'b', 'c', 'host'])
    },
  )
}

scenario(
  "kill -9 of a shell that is the container's first process frees the lock of its child",
  { skip },
  async (scene) => {
    const [holder] = await startContainers(scene, { init: SHELL_INIT }, 'holder')
    const waiter = await scene.spawn('waiter')
    assert.notEqual(holder.client.ticketPid, 1)
    await holder.client.acquire(scene.path)
    await waiter.enqueue(scene.path)
    await killContainer(scene, holder)
    assert.equal((await waiter.next('granted')).recovered, true)
  },
)

scenario('containers that mount the directory elsewhere share its locks', { skip }, async (scene) => {
  const directory = join(scene.directory, 'shared')
  fs.mkdirSync(directory)
  const [a, b] = await Promise.all([
    startContainer(scene, 'a', { mounts: { '/data': directory } }),
    startContainer(scene, 'b', { mounts: { '/srv/elsewhere': directory } }),
  ])
  const host = await scene.spawn('host')
  await a.client.acquire('/data/lock')
  assert.equal(await b.client.try('/srv/elsewhere/lock'), false)
  await host.enqueue(join(directory, 'lock'))
  await killContainer(scene, a)
  assert.equal((await host.next('granted')).recovered, true)
  assert.equal(await b.client.try('/srv/elsewhere/lock'), false)
})

scenario('a container whose process is stopped keeps the lock, until it is killed', { skip }, async (scene) => {
  const [holder, waiter] = await startContainers(scene, {}, 'holder', 'waiter')
  const host = await scene.spawn('host')
  await holder.client.acquire(scene.path)
  waiter.client.send({ do: 'acquire', path: scene.path })
  await untilWaiting(scene.path, 1)
  await stopContainer(holder)
  await isKept(scene, host, waiter.client)
  process.kill(holder.pid, 'SIGCONT')
  assert.equal(await holder.client.isHolding(), true)
  await stopContainer(holder)
  await killContainer(scene, holder)
  assert.equal((await waiter.client.next('granted')).recovered, true)
})

scenario('a paused container keeps the lock, and still holds it when it continues', { skip }, async (scene) => {
  const [holder, waiter] = await startContainers(scene, {}, 'holder', 'waiter')
  const host = await scene.spawn('host')
  const reason = reasonWithout('podman', 'pause', holder.name)
  if (reason !== false) return scene.test.skip(reason)
  runSystem('podman', 'unpause', holder.name)
  await holder.client.acquire(scene.path)
  waiter.client.send({ do: 'acquire', path: scene.path })
  await untilWaiting(scene.path, 1)
  runSystem('podman', 'pause', holder.name)
  await isKept(scene, host, waiter.client)
  runSystem('podman', 'unpause', holder.name)
  assert.equal(await holder.client.isHolding(), true)
  await holder.client.release()
  assert.equal((await waiter.client.next('granted')).recovered, false)
})

function shareVolume(scene: Scene, ...options: readonly string[]): Shared {
  const { volume, directory } = makeVolume(scene, ...options)
  return { path: join(directory, 'lock'), options: { mounts: { [directory]: volume } } }
}

async function haveItInTurn(scene: Scene, path: string, clients: readonly Client[]): Promise<void> {
  await clients[0]!.acquire(path)
  for (const [index, client] of clients.slice(1).entries()) {
    client.send({ do: 'acquire', path })
    await untilWaiting(path, index + 1)
  }
  for (const client of clients) {
    if (client !== clients[0]) assert.equal((await client.next('granted')).recovered, false)
    await client.release()
  }
  assert.deepEqual(
    scene.journal.order(),
    clients.map(({ name }) => name),
  )
}

/** Fails if anybody gets the lock while its holder can't run. */
async function isKept(scene: Scene, passer: Client, waiter: Client): Promise<void> {
  assert.equal(await passer.try(scene.path), false)
  await pass(OBSERVED_MS)
  assert.equal(waiter.hasSaid('granted'), false)
  assert.equal(await passer.try(scene.path), false)
}
