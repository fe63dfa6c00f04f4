/** The option `access`: users who share a lock, whatever their umasks are. */
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { dirname, join } from 'node:path'
import type { Client } from '../helpers/client.ts'
import type { PlainOptions } from '../helpers/commands.ts'
import { ticketsIn, treeOf, untilGone } from '../helpers/lock-directory.ts'
import { reasonNotRoot, reasonWithout } from '../helpers/privileges.ts'
import { isStopped } from '../helpers/proc.ts'
import { scenario } from '../helpers/scenario.ts'
import type { Scene } from '../helpers/scenario.ts'
import { numberOfStep, WITH_STEPS } from '../helpers/steps.ts'
import { until } from '../helpers/until.ts'
import { ANN, as, BEN, CAT, holdInTurn, modeOf, openTo, TEAM } from '../helpers/users.ts'

const skip = reasonNotRoot() || reasonWithout('setpriv', '--version')
const STICKY = 0o1777
const OPEN = 0o777
const TEAMS = 0o2770
const ALL: PlainOptions = { access: 'all', linger: 0 }
const GROUP: PlainOptions = { access: 'group', linger: 0 }

for (const [what, mode, gid, options] of [
  ['all users, in a directory like /tmp', STICKY, 0, ALL],
  ['all users, where each may remove what is of others', OPEN, 0, ALL],
  ['a group', TEAMS, TEAM, GROUP],
] as const) {
  scenario(`a lock of ${what} is taken in order, and passes on when a holder is killed`, { skip }, async (scene) => {
    const path = openTo(scene, mode, gid)
    const clients = await spawnThree(scene)
    await holdInTurn(clients, path, options)
    const [ann, ben, cat] = clients
    await ann.acquire(path, options)
    await ben.enqueue(path, options)
    await cat.enqueue(path, options)
    await ann.kill()
    assert.equal((await ben.next('granted')).recovered, true)
    await cat.kill()
    await ben.release()
    // Perhaps because of the one that died waiting; but of ann, nobody is told again.
    await ben.acquire(path, options)
    await ben.release()
    assert.equal((await ben.acquire(path, options)).recovered, false)
  })

  scenario(`users contend for a lock of ${what}, some are killed, and two never hold`, { skip }, async (scene) => {
    const path = openTo(scene, mode, gid)
    const clients = await spawnThree(scene)
    for (const client of clients) client.send({ do: 'contend', path, options, rounds: 40, counter: scene.counter })
    for (const [index, user] of [ANN, BEN, CAT, ANN].entries()) {
      const victim = await scene.spawn(`victim-${index}`, as(user, TEAM))
      const before = fs.readFileSync(scene.journal.file, 'utf8').split('\n').length
      victim.send({ do: 'contend', path, options, rounds: 1_000_000 })
      await until('some have held', () => {
        scene.verifyClients()
        return fs.readFileSync(scene.journal.file, 'utf8').split('\n').length > before + 12
      })
      await victim.kill()
      finishDirectory(path, options)
    }
    await Promise.all(clients.map((client) => client.next('done')))
    assert.equal(fs.readFileSync(scene.counter, 'utf8'), '120')
  })
}

/** What the error advises if a process was killed between making the directory and opening it to others, which it may have been. */
function finishDirectory(path: string, { access }: PlainOptions): void {
  for (const directory of [path, join(path, '.members')]) {
    try {
      if ((fs.lstatSync(directory).mode & 0o022) === 0) fs.chmodSync(directory, access === 'all' ? 0o1777 : 0o3770)
    } catch (error) {
      // Its last user has removed it.
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    }
  }
}

scenario("other users cannot use a group's lock, and touch nothing", { skip }, async (scene) => {
  const path = openTo(scene, 0o2775, TEAM)
  const [ann, ben] = await Promise.all([scene.spawn('ann', as(ANN, TEAM)), scene.spawn('ben', as(BEN))])
  await ann.acquire(path, GROUP)
  const before = treeOf(path)
  assert.equal((await ben.fail(path, GROUP)).code, 'ERR_SLOCKET_PERMISSION')
  assert.deepEqual(treeOf(path), before)
  const [{ gid, mode }] = [fs.lstatSync(join(path, ticketsIn(path)[0]!.name))]
  assert.deepEqual([gid, mode & 0o022], [TEAM, 0o020])
})

scenario("other users cannot use a user's lock, however wide the umask is", { skip }, async (scene) => {
  const path = openTo(scene, STICKY)
  const [ann, ben] = await Promise.all([
    scene.spawn('ann', { uid: ANN, gid: ANN, wrapper: ['bash', '-c', 'umask 000; exec "$0" "$@"'] }),
    scene.spawn('ben', as(BEN)),
  ])
  await ann.acquire(path, { access: 'user', linger: 0 })
  assert.equal((await ben.fail(path, { access: 'user' })).code, 'ERR_SLOCKET_PERMISSION')
  assert.deepEqual([modeOf(path), modeOf(join(path, '.members'))], ['1700', '1775'])
})

scenario('a lock for all users is removed when its creator is the last user', { skip }, async (scene) => {
  for (const mode of [OPEN, STICKY]) {
    const path = openTo(scene, mode)
    const [ann, ben] = await spawnThree(scene)
    // The sticky bit keeps others from that.
    await holdInTurn([ann, ben], path, ALL)
    assert.equal(modeOf(path), '5777')
    await holdInTurn([ben, ann], path, ALL)
    await untilGone(path)
    fs.rmdirSync(dirname(path))
  }
})

scenario('what an administrator has made for all stays, and needs no `access`', { skip }, async (scene) => {
  const path = openTo(scene, STICKY)
  fs.mkdirSync(path)
  fs.chmodSync(path, 0o1777)
  const [ann, ben, cat] = await spawnThree(scene)
  await holdInTurn([ann, ben, cat], path, { linger: 0 })
  await holdInTurn([cat, ann], path, ALL)
  await until('nothing is left in it', () => fs.readdirSync(path).length === 0)
  assert.equal(modeOf(path), '1777')
})

scenario('in a directory of a group, new entries belong to that group', { skip }, async (scene) => {
  const path = openTo(scene, STICKY)
  // Without the set-group-ID bit: files made in it have the primary group of their user.
  for (const directory of [path, join(path, '.members')]) {
    fs.mkdirSync(directory)
    fs.chownSync(directory, 0, TEAM)
    fs.chmodSync(directory, 0o1770)
  }
  await holdInTurn(await spawnThree(scene), path, GROUP)
  const stranger = await scene.spawn('stranger', as(ANN))
  assert.equal((await stranger.fail(path, GROUP)).code, 'ERR_SLOCKET_PERMISSION')
})

scenario('a user widens the permissions only of its own entries', { skip }, async (scene) => {
  const path = openTo(scene, STICKY)
  const [ann, ben, cat] = await spawnThree(scene)
  const other = await scene.spawn('other', as(ANN))
  await ann.acquire(path)
  // Another user's, which is too narrow: it says what to do.
  const { code, message } = await ben.fail(path, ALL)
  assert.equal(code, 'ERR_SLOCKET_PERMISSION')
  assert.match(message!, /with access 'all'.*chmod 1777/)
  assert.equal(modeOf(path), '1700')
  await ann.release()
  // Its own.
  await holdInTurn([other, cat, ben], path, ALL)
  // A directory that it has made by other means.
  const own = join(dirname(path), 'own')
  fs.mkdirSync(own)
  fs.chownSync(own, ANN, ANN)
  const before = treeOf(own)
  assert.equal((await ann.fail(own, ALL)).code, 'ERR_SLOCKET_PERMISSION')
  assert.deepEqual(treeOf(own), before)
})

scenario('users that request different access at the same time still exclude each other', { skip }, async (scene) => {
  const path = openTo(scene, OPEN)
  const clients = await Promise.all(
    [0, 1, 2, 3].map((index) => scene.spawn(`client-${index}`, as(index % 2 === 0 ? ANN : BEN, TEAM))),
  )
  const wishes: readonly PlainOptions[] = [ALL, ALL, { linger: 0 }, ALL]
  for (let round = 0; round < 10; round += 1) {
    for (const [index, client] of clients.entries()) client.send({ do: 'acquire', path, options: wishes[index]! })
    await Promise.all(
      clients.map(async (client) => {
        const { event, code } = await client.next('granted|rejected')
        if (event === 'granted') await client.release()
        else assert.equal(code, 'ERR_SLOCKET_PERMISSION')
      }),
    )
  }
})

for (const when of ['before', 'after'] as const) {
  scenario(
    `a process killed ${when} any step leaves a lock that other users can use, or are told how to; its own user repairs it`,
    { skip },
    async (scene) => {
      const path = openTo(scene, OPEN)
      const [own, other] = await Promise.all([scene.spawn('own', as(ANN)), scene.spawn('other', as(BEN))])
      const spawnVictims = async (): Promise<Client[]> =>
        await Promise.all([1, 2, 3, 4].map((index) => scene.spawn(`victim-${index}`, { ...as(ANN), ...WITH_STEPS })))
      let victims: Client[] = []
      let isDone = false
      for (let at = 1; !isDone; at += 1) {
        if (victims.length === 0) victims = await spawnVictims()
        const victim = victims.pop()!
        victim.send({ do: 'plan', plan: { path, at, when, deed: { kind: 'kill' } } })
        victim.send({ do: 'contend', path, options: ALL, rounds: 1 })
        await until('it is done or dead', () => victim.exit !== undefined || victim.hasSaid('done'))
        isDone = victim.exit === undefined
        other.send({ do: 'acquire', path, options: ALL })
        const { event, code } = await other.next('granted|rejected')
        if (event === 'granted') await other.release()
        else {
          assert.equal(code, 'ERR_SLOCKET_PERMISSION')
          await own.acquire(path, ALL)
          await other.enqueue(path, ALL)
          await own.release()
          await other.next('granted')
          await other.release()
        }
        victim.mayEnd = true
        await victim.kill()
        await own.acquire(path, ALL)
        await own.release()
        await untilGone(path)
      }
    },
  )
}

scenario('a newcomer waits for another user that is about to open the lock to all', { skip }, async (scene) => {
  const path = openTo(scene, STICKY)
  const [maker, other] = await Promise.all([
    scene.spawn('maker', { ...as(ANN), ...WITH_STEPS }),
    scene.spawn('other', as(BEN)),
  ])
  const at = await numberOfStep(maker, path, 'mkdirSync', ALL)
  maker.send({ do: 'plan', plan: { path, at, when: 'after', deed: { kind: 'stop' } } })
  maker.send({ do: 'acquire', path, options: ALL })
  await maker.untilStopped()
  // For as long as that takes, at most a second: then it is told.
  const { code } = await other.fail(path, ALL)
  assert.equal(code, 'ERR_SLOCKET_PERMISSION')
  other.send({ do: 'acquire', path, options: ALL })
  assert.ok(isStopped(maker.pid))
  maker.continue()
  await maker.next('granted')
  await maker.release()
  const { event } = await other.next('granted|rejected')
  if (event === 'granted') await other.release()
  await holdInTurn([other, maker], path, ALL)
})

scenario('blocking calls, threads and long paths have the access, too', { skip }, async (scene) => {
  const path = join(dirname(openTo(scene, STICKY)), 'x'.repeat(200))
  const [ann, ben, cat] = await spawnThree(scene)
  ann.send({ do: 'sync', path, options: ALL })
  await ann.next('granted')
  const thread = await ben.startWorker('thread', 'thread')
  await thread.enqueue(path, ALL)
  await cat.enqueue(path, ALL)
  await ann.kill()
  assert.equal((await thread.next('granted')).recovered, true)
  await thread.release()
  await cat.next('granted')
})

async function spawnThree(scene: Scene): Promise<[Client, Client, Client]> {
  return await Promise.all([
    scene.spawn('ann', as(ANN, TEAM)),
    scene.spawn('ben', as(BEN, TEAM)),
    scene.spawn('cat', as(CAT, TEAM)),
  ])
}
