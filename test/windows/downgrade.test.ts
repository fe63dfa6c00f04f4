/** An exclusive holder that is downgraded has its guard closed for a moment, and is killed or stopped about then. */
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { join } from 'node:path'
import { EXCLUSIVE, SHARED } from '../../src/core/claim.ts'
import { Guards } from '../../src/engines/local/windows/guard.ts'
import type { Client } from '../helpers/client.ts'
import { useOnceAndCleanUp } from '../helpers/party.ts'
import type { Scene } from '../helpers/scenario.ts'
import { scenario } from '../helpers/scenario.ts'
import { ELSEWHERE } from './on-windows.ts'

const skip = { skip: ELSEWHERE }
const READ = { mode: 'shared' } as const
/** The name of the ticket of a request that doesn't look at the queue. */
const IMPATIENT = '2-0000000000000000001-x-1-aaaaaaaaaaaa-00000000'

scenario('a holder killed between its mark and the guard causes recovered', skip, async (scene) => {
  const { holder, reader, writer } = await waitBehind(scene, 'mark', 'kill')
  await dieDowngrading(scene, holder)
  assert.equal((await reader.next('granted')).recovered, true)
  await reader.release()
  assert.equal((await writer.next('granted')).recovered, true)
  await writer.release()
  await useOnceAndCleanUp(reader, scene.path)
})

scenario('a holder killed while its guard is closed causes no recovered', skip, async (scene) => {
  const { holder, reader, writer } = await waitBehind(scene, 'guard', 'kill')
  await dieDowngrading(scene, holder)
  assert.equal((await reader.next('granted')).recovered, false)
  assert.equal(writer.hasSaid('granted'), false)
  await reader.release()
  assert.equal((await writer.next('granted')).recovered, false)
  await writer.release()
  await useOnceAndCleanUp(reader, scene.path)
})

scenario(
  'a holder that blocks between its mark and the guard lets nobody in until it continues',
  skip,
  async (scene) => {
    const { holder, reader, writer, goOn } = await waitBehind(scene, 'mark', 'block')
    holder.send({ do: 'downgrade' })
    await holder.next('stopping')
    assert.equal(await reader.try(scene.path, READ), false)
    assert.equal(reader.hasSaid('granted'), false)
    goOn()
    await holder.next('downgraded')
    await reader.next('granted')
    await reader.release()
    assert.equal(writer.hasSaid('granted'), false)
    await holder.release()
    await writer.next('granted')
  },
)

scenario('a holder that blocks while its guard is closed lets only shared requests in', skip, async (scene) => {
  const { holder, reader, writer, goOn } = await waitBehind(scene, 'guard', 'block')
  holder.send({ do: 'downgrade' })
  await holder.next('stopping')
  // By its look once a second.
  await reader.next('granted')
  await reader.release()
  assert.equal(await reader.try(scene.path), false)
  mayShareOnly(scene)
  assert.equal(writer.hasSaid('granted'), false)
  goOn()
  await holder.next('downgraded')
  await holder.release()
  await writer.next('granted')
})

scenario(
  'a guard that is open elsewhere at that moment need not be open for the lock to be shared',
  skip,
  async (scene) => {
    const { holder, reader, writer } = await waitBehind(scene, 'guard', 'busy')
    await holder.downgrade()
    await reader.next('granted')
    await reader.release()
    mayShareOnly(scene)
    await holder.release()
    assert.equal((await writer.next('granted')).recovered, false)
    await writer.release()
    await useOnceAndCleanUp(reader, scene.path)
  },
)

scenario('a downgraded holder has a mark, which is removed before its ticket', skip, async (scene) => {
  const holder = await scene.spawn('holder')
  await holder.acquire(scene.path)
  await holder.downgrade()
  const names = fs.readdirSync(scene.path).toSorted()
  assert.equal(names.length, 3, names.join())
  assert.equal(names[1], `${names[0]}-d`)
  mayShareOnly(scene)
  await holder.release()
  assert.deepEqual(fs.readdirSync(scene.path), ['guard'])
})

scenario('a mark that was left by a power failure is removed', skip, async (scene) => {
  const client = await scene.spawn('client')
  await client.acquire(scene.path)
  fs.writeFileSync(join(scene.path, `${IMPATIENT}-d`), '')
  await client.release()
  await useOnceAndCleanUp(client, scene.path)
})

/** Asks for the guard without a look at the queue: what excludes has to do so by itself. */
function mayShareOnly(scene: Scene): void {
  const guards = new Guards(scene.path)
  const alone = guards.take(EXCLUSIVE, IMPATIENT, [])
  alone?.close()
  assert.equal(alone, undefined)
  assert.equal(guards.remove(['guard']), false)
  const shared = guards.take(SHARED, IMPATIENT, [])
  assert.equal(shared?.grant(), false)
  shared?.close()
}

async function waitBehind(
  scene: Scene,
  at: 'mark' | 'guard',
  deed: 'kill' | 'block' | 'busy',
): Promise<{ holder: Client; reader: Client; writer: Client; goOn: () => void }> {
  const go = join(scene.directory, 'go')
  const preload = new URL('../fixtures/downgrade-steps.js', import.meta.url)
  preload.search = new URLSearchParams({ at, deed, go }).toString()
  const [holder, reader, writer] = await Promise.all([
    scene.spawn('holder', { preload: preload.href }),
    scene.spawn('reader'),
    scene.spawn('writer'),
  ])
  await holder.acquire(scene.path)
  await reader.enqueue(scene.path, READ)
  await writer.enqueue(scene.path)
  return { holder, reader, writer, goOn: () => fs.writeFileSync(go, '') }
}

async function dieDowngrading(scene: Scene, holder: Client): Promise<void> {
  holder.mayEnd = true
  scene.journal.write({ kind: '!', who: holder.name })
  holder.send({ do: 'downgrade' })
  await holder.ended()
}
