// Named locks of several users, with the option `access`, whatever their umasks are.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { test } from 'node:test'
import { LockManager } from '../../src/index.ts'
import type { LockAccess } from '../../src/index.ts'
import { reasonNotRoot } from '../helpers/privileges.ts'
import { until } from '../helpers/until.ts'
import { ANN, BEN, CAT, modeOf } from '../helpers/users.ts'
import { betweenProcesses } from '../helpers/web-client.ts'
import type { WebClient, WebScene, WebUser } from '../helpers/web-client.ts'

const options = { skip: reasonNotRoot() }
const STEPS = new URL('../fixtures/steps.js', import.meta.url).href
const LONG = 'x'.repeat(500)

betweenProcesses(
  'users wait for names in turn, and when a holder is killed the next one has it',
  options,
  async (scene) => {
    const [ann, ben, cat] = await startThree(scene, 0o1777)
    for (const name of ['lock', LONG]) {
      await ann.hold(name)
      await ben.wait(name)
      await cat.wait(name)
      const { held, pending } = await cat.query()
      assert.deepEqual(
        [held, pending].map((all) => all.map((one) => one.name)),
        [[name], [name, name]],
      )
      await ann.end(name)
      await ben.next('called', name)
      assert.equal(cat.has('called', name), false)
      await ben.end(name)
      await cat.next('called', name)
      await cat.end(name)
    }
    await ann.hold(LONG)
    assert.equal((await ben.query()).held[0]?.name, LONG)
    await ann.end(LONG)
    await ann.hold('lock')
    await ben.wait('lock')
    await ann.kill()
    await ben.next('called', 'lock')
    assert.equal(modeOf(scene.root), '5777')
  },
)

betweenProcesses(
  'a request for a name waits for another user that is about to open the name to all',
  options,
  async (scene) => {
    const [, ben] = await startThree(scene, 0o777)
    const maker = await scene.startAs(user(ANN), STEPS)
    await maker.hold('first')
    maker.send({ do: 'plan', plan: { path: `${scene.root}/lock`, at: 1, when: 'after', deed: { kind: 'stop' } } })
    maker.send({ do: 'request', as: 'lock', name: 'lock' })
    await until('it has made the directory of the name', () => fs.existsSync(`${scene.root}/lock`))
    ben.send({ do: 'request', as: 'early', name: 'lock' })
    // For as long as that takes, at most a second: then it is told.
    await ben.next('rejected', 'early')
    maker.continue()
    await maker.next('called', 'lock')
    await ben.wait('lock')
    await maker.end('lock')
    await ben.next('called', 'lock')
  },
)

betweenProcesses('what a killed process has left in the root is repaired by its own user', options, async (scene) => {
  const [ann, ben] = await startThree(scene, 0o777)
  const maker = await scene.startAs(user(ANN), STEPS)
  await maker.hold('first')
  maker.send({ do: 'plan', plan: { path: `${scene.root}/lock`, at: 1, when: 'after', deed: { kind: 'kill' } } })
  maker.send({ do: 'request', as: 'lock', name: 'lock' })
  await maker.exited()
  assert.equal(modeOf(`${scene.root}/lock`), '1700')
  await ann.hold('lock')
  await ben.wait('lock')
  await ann.end('lock')
  await ben.next('called', 'lock')
})

betweenProcesses('nobody steals from another user, and an attempt loses nothing', options, async (scene) => {
  const [ann, ben] = await startThree(scene, 0o1777)
  await ann.hold('lock')
  ben.send({ do: 'request', as: 'theft', name: 'lock', options: { steal: true } })
  assert.equal((await ben.next('rejected', 'theft')).kind, 'SecurityError')
  await ben.wait('lock')
  assert.equal(ben.has('called', 'lock'), false)
  await ann.end('lock')
  await ben.next('called', 'lock')
  const other = await scene.startAs(user(BEN))
  other.send({ do: 'request', as: 'theft', name: 'lock', options: { steal: true } })
  await other.next('called', 'theft')
  assert.equal((await ben.next('rejected', 'lock')).kind, 'AbortError')
})

test('access needs a root, and has three values', () => {
  assert.throws(() => new LockManager({ access: 'all' }), /options\.access needs options\.root/)
  const access = 'both' as LockAccess
  assert.throws(() => new LockManager({ root: 'names', access }), /options\.access must be 'user', 'group' or 'all'/)
})

async function startThree(scene: WebScene, mode: number): Promise<[WebClient, WebClient, WebClient]> {
  fs.chmodSync(scene.directory, mode)
  return await Promise.all([scene.startAs(user(ANN)), scene.startAs(user(BEN)), scene.startAs(user(CAT))])
}

function user(id: number): WebUser {
  return { uid: id, gid: id, access: 'all', umask: '077' }
}

betweenProcesses("what another user's dead holder has left does not block a thief", options, async (scene) => {
  const [ann, ben] = await startThree(scene, 0o777)
  await ann.hold('lock')
  await ann.kill()
  ben.send({ do: 'request', as: 'theft', name: 'lock', options: { steal: true } })
  await ben.next('called', 'theft')
})
