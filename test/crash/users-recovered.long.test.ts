/** `recovered` among several users, none of whom may remove another user's dead ticket. */
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { join } from 'node:path'
import { REPORTED } from '../../src/engines/local/ticket-name.ts'
import type { Client } from '../helpers/client.ts'
import type { PlainOptions } from '../helpers/commands.ts'
import { nameOfTicket } from '../helpers/impostor.ts'
import { ticketsIn } from '../helpers/lock-directory.ts'
import { reasonNotRoot } from '../helpers/privileges.ts'
import type { Scene } from '../helpers/scenario.ts'
import { scenario } from '../helpers/scenario.ts'
import { WITH_STEPS } from '../helpers/steps.ts'
import { until } from '../helpers/until.ts'

const skip = reasonNotRoot()
const [DEAD, FIRST, SECOND] = [65_501, 65_502, 65_503] as const

scenario('the next exclusive holder has recovered, and no later one', { skip }, async (scene) => {
  const [first, second] = await afterDeath(scene)
  assert.equal(await recoveredOf(first, scene), true)
  assert.equal(await recoveredOf(first, scene), false)
  assert.equal(await recoveredOf(second, scene), false)
  assert.equal(ticketsIn(scene.path).length, 1, 'the dead ticket stands still')
})

scenario('shared holders have recovered until an exclusive one has', { skip }, async (scene) => {
  const [first, second] = await afterDeath(scene)
  const shared: PlainOptions = { mode: 'shared' }
  assert.equal(await recoveredOf(first, scene, shared), true)
  assert.equal(await recoveredOf(second, scene, shared), true)
  assert.equal(await recoveredOf(first, scene), true)
  assert.equal(await recoveredOf(second, scene, shared), false)
})

scenario('with permits, the next holder has recovered, and no later one', { skip }, async (scene) => {
  const [first, second] = await afterDeath(scene, { permits: 2 })
  assert.equal((await first.acquire(scene.path, { permits: 2 })).recovered, true)
  assert.equal(await recoveredOf(second, scene, { permits: 2 }), false)
  await first.release()
  assert.equal(await recoveredOf(second, scene, { permits: 2 }), false)
})

scenario('a holder that is killed after it had recovered passes that on to the next one', { skip }, async (scene) => {
  const [first, second] = await afterDeath(scene)
  assert.equal((await first.acquire(scene.path)).recovered, true)
  await first.kill()
  assert.equal(await recoveredOf(second, scene), true)
  assert.equal(await recoveredOf(second, scene), false)
})

scenario(
  "the dead user's next process removes its ticket, and the marks of others beside it",
  { skip },
  async (scene) => {
    const [first] = await afterDeath(scene)
    assert.equal(await recoveredOf(first, scene), true)
    const again = await scene.spawn('again', user(DEAD))
    assert.equal(await recoveredOf(again, scene), false)
    assert.deepEqual(ticketsIn(scene.path), [])
    await first.acquire(scene.path, { linger: 0 })
    await first.release()
    assert.deepEqual(fs.readdirSync(scene.path), ['.members'])
  },
)

/** One user has died holding in a directory of root's; the clients are those of two other users. */
async function afterDeath(scene: Scene, options: PlainOptions = {}): Promise<[Client, Client]> {
  fs.chmodSync(scene.directory, 0o755)
  fs.chmodSync(scene.journal.file, 0o666)
  for (const directory of [scene.path, join(scene.path, '.members')]) {
    fs.mkdirSync(directory)
    fs.chmodSync(directory, 0o1777)
  }
  const dead = await scene.spawn('dead', user(DEAD))
  await dead.acquire(scene.path, options)
  await dead.kill()
  return await Promise.all([scene.spawn('first', user(FIRST)), scene.spawn('second', user(SECOND))])
}

function user(id: number): { uid: number; gid: number } {
  return { uid: id, gid: id }
}

async function recoveredOf(client: Client, { path }: Scene, options: PlainOptions = {}): Promise<boolean | undefined> {
  const { recovered } = await client.acquire(path, { linger: 0, ...options })
  await client.release()
  return recovered
}

scenario("a waiter's death is not reported to anybody once a holder has seen it", { skip }, async (scene) => {
  const [first, second] = await afterDeath(scene)
  const waiter = await scene.spawn('waiter', user(DEAD))
  await first.acquire(scene.path)
  await waiter.enqueue(scene.path)
  const waiting = ticketsIn(scene.path).find(({ pid }) => pid === waiter.ticketPid)!
  // The holder sees only the end of connections with a hello.
  for (const client of [waiter, waiter, first]) await client.ping()
  await waiter.kill()
  await until('that was seen', () => fs.readdirSync(scene.path).includes(waiting.name + REPORTED))
  await first.release()
  assert.equal(await recoveredOf(second, scene), false)
})

scenario(
  'a holder that is killed at any step of its own passes recovered on to the next one',
  { skip },
  async (scene) => {
    const [, second] = await afterDeath(scene)
    let isGranted = false
    for (let at = 1; !isGranted; at += 1) {
      const [dead, victim] = await Promise.all([
        scene.spawn('dead', user(DEAD)),
        scene.spawn('victim', { ...user(FIRST), ...WITH_STEPS }),
      ])
      await dead.acquire(scene.path)
      await dead.kill()
      victim.send({ do: 'plan', plan: { path: scene.path, at, when: 'before', deed: { kind: 'kill' } } })
      victim.send({ do: 'acquire', path: scene.path })
      await until('it is granted or dead', () => victim.exit !== undefined || victim.hasSaid('granted'))
      isGranted = victim.exit === undefined
      await victim.kill()
      assert.equal(await recoveredOf(second, scene), true, `step ${at}`)
      assert.equal(await recoveredOf(second, scene), false, `after step ${at}`)
      // Each round with one dead process only, so that the steps are the same in all.
      for (const directory of [scene.path, join(scene.path, '.members')]) {
        for (const name of fs.readdirSync(directory)) if (name !== '.members') fs.unlinkSync(join(directory, name))
      }
    }
  },
)

scenario('of several requests of one process, the first one has recovered', { skip }, async (scene) => {
  const [first] = await afterDeath(scene)
  const names = ['a', 'b', 'c']
  first.send(...names.map((as) => ({ do: 'acquire', path: scene.path, as }) as const))
  const told: (boolean | undefined)[] = []
  for (const as of names) {
    told.push((await first.next('granted', as)).recovered)
    await first.release(as)
  }
  assert.deepEqual(told, [true, false, false])
})

scenario(
  'a mark beside a live ticket lets anybody who may write there hide its later death',
  { skip },
  async (scene) => {
    const [first, second] = await afterDeath(scene)
    assert.equal(await recoveredOf(first, scene), true)
    await first.acquire(scene.path)
    const held = ticketsIn(scene.path).at(-1)!
    fs.symlinkSync('x', join(scene.path, held.name + REPORTED))
    assert.equal(await second.try(scene.path), false)
    await first.kill()
    // Nothing else happens: it is a death that is never reported, as SECURITY.md says.
    assert.equal(await recoveredOf(second, scene), false)
  },
)

scenario('a file that is not a mark stays, whatever its name is', { skip }, async (scene) => {
  const [first] = await afterDeath(scene)
  await first.acquire(scene.path, { linger: 0 })
  const name = nameOfTicket() + REPORTED
  fs.writeFileSync(join(scene.path, name), 'a file')
  await first.release()
  const again = await scene.spawn('again', user(DEAD))
  assert.equal((await again.fail(scene.path)).code, 'ERR_SLOCKET_NOT_A_LOCK')
  assert.equal(fs.readFileSync(join(scene.path, name), 'utf8'), 'a file')
})
