/** Containers whose file system is an overlay, as theirs mostly are. */
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { join } from 'node:path'
import { CONTAINER, CONTAINER_WITH_INIT, killInit, reasonWithoutContainer } from '../helpers/container.ts'
import { ticketsIn, untilGone, untilWaiting } from '../helpers/lock-directory.ts'
import { makeOverlay, mountOverlay, skipMounts } from '../helpers/mounts.ts'
import { Program } from '../helpers/program.ts'
import { scenario } from '../helpers/scenario.ts'

const skip = skipMounts === false ? reasonWithoutContainer() : skipMounts
const LEAVE = { linger: 0 }

scenario('two containers that share an overlay contend, and leave nothing behind', { skip }, async (scene) => {
  const path = join(mountOverlay(scene), 'lock')
  const clients = await Promise.all([
    scene.spawn('a', { wrapper: CONTAINER }),
    scene.spawn('b', { wrapper: CONTAINER }),
    scene.spawn('outside'),
  ])
  for (const client of clients)
    client.send({ do: 'contend', path, rounds: 100, counter: scene.counter, options: LEAVE })
  await Promise.all(clients.map((client) => client.next('done')))
  assert.equal(fs.readFileSync(scene.counter, 'utf8'), '300')
  await untilGone(path)
})

scenario("kill -9 of a container's first process: the other container gets its lock", { skip }, async (scene) => {
  const path = join(mountOverlay(scene), 'lock')
  const outside = await scene.spawn('outside')
  for (let round = 0; round < 5; round += 1) {
    const [a, b] = await Promise.all([
      scene.spawn(`a${round}`, { wrapper: CONTAINER_WITH_INIT }),
      scene.spawn(`b${round}`, { wrapper: CONTAINER_WITH_INIT }),
    ])
    await a.acquire(path)
    b.send({ do: 'acquire', path })
    await untilWaiting(path, 1)
    outside.send({ do: 'acquire', path })
    await untilWaiting(path, 2)
    await killInit(a, scene.journal)
    assert.equal((await b.next('granted')).recovered, true)
    await killInit(b, scene.journal)
    assert.equal((await outside.next('granted')).recovered, true)
    await outside.release()
  }
})

scenario(
  'a container that was killed as the holder restarts: its overlay is another mount',
  { skip },
  async (scene) => {
    const overlay = makeOverlay(scene)
    const path = join(overlay.merged, 'lock')
    overlay.mount()
    const [before, waiter] = await scene.spawnAll('before', 'waiter')
    await before.acquire(path)
    await waiter.enqueue(path)
    await Promise.all([before.kill(), waiter.kill()])
    overlay.remount()
    assert.equal(ticketsIn(path).length, 2)
    const after = await scene.spawn('after')
    assert.equal((await after.acquire(path, LEAVE)).recovered, true)
    await after.release()
    await untilGone(path)
  },
)

scenario(
  'a held lock that was copied into an image is taken over in each container, and stays in the image',
  { skip },
  async (scene) => {
    const overlay = makeOverlay(scene)
    const image = join(overlay.lower, 'lock')
    const [builder, a, b] = await scene.spawnAll('builder', 'a', 'b')
    await builder.acquire(image)
    await builder.kill()
    const inImage = ticketsIn(image)
    overlay.mount()
    const path = join(overlay.merged, 'lock')
    assert.equal((await a.acquire(path)).recovered, true)
    await b.enqueue(path)
    await a.kill()
    assert.equal((await b.next('granted')).recovered, true)
    await b.release()
    await a.ended()
    await b.acquire(path, LEAVE, 'last')
    await b.release('last')
    await untilGone(path)
    // The directory is created again over one in the lower layer.
    assert.equal((await b.acquire(path, LEAVE, 'again')).recovered, false)
    assert.deepEqual(ticketsIn(image), inImage)
  },
)

scenario(
  'a lock held in the lower layer of an overlay is taken over through the overlay only when its holder is dead',
  { skip },
  async (scene) => {
    const overlay = makeOverlay(scene)
    const [below, above] = await scene.spawnAll('below', 'above')
    await below.acquire(join(overlay.lower, 'lock'))
    overlay.mount()
    const path = join(overlay.merged, 'lock')
    for (let round = 0; round < 2; round += 1)
      assert.equal((await above.fail(path, LEAVE)).code, 'ERR_SLOCKET_OTHER_MOUNT')
    assert.equal(ticketsIn(join(overlay.lower, 'lock')).length, 1)
    assert.equal(await below.isHolding(), true)
    await below.kill()
    assert.equal((await above.acquire(path, LEAVE)).recovered, true)
    await above.release()
  },
)

scenario(
  'a lock held through an overlay is not taken over by a process that uses the lower layer',
  { skip },
  async (scene) => {
    const overlay = makeOverlay(scene)
    overlay.mount()
    const [above, below] = await scene.spawnAll('above', 'below')
    await above.acquire(join(overlay.merged, 'lock'))
    const path = join(scene.directory, 'upper', 'lock')
    assert.equal((await below.fail(path, LEAVE)).code, 'ERR_SLOCKET_OTHER_MOUNT')
    assert.equal(await above.isHolding(), true)
    await above.release()
  },
)

scenario('nor is a lock whose holder is about to exit, and still uses what it protects', { skip }, async (scene) => {
  const overlay = makeOverlay(scene)
  overlay.mount()
  const below = await scene.spawn('below')
  const above = new Program(
    join(overlay.merged, 'lock'),
    `await slocket(lockPath); process.on('exit', () => { say('exits'); hear() }); process.exit()`,
  )
  assert.equal(await above.next(), 'exits')
  const path = join(scene.directory, 'upper', 'lock')
  // Without LEAVE: what it knows is kept for the second try.
  assert.equal(await below.try(path), false)
  above.goOn()
  await above.ended()
  assert.equal(await below.try(path), true)
  await below.release('try')
})
