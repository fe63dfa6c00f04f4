/** Directories that this user may not use, or may no longer, or that are of an unusual kind. */
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { join } from 'node:path'
import type { Client } from '../helpers/client.ts'
import { ticketsIn, treeOf } from '../helpers/lock-directory.ts'
import { reasonNotRoot, reasonWithout, runSystem } from '../helpers/privileges.ts'
import type { Scene } from '../helpers/scenario.ts'
import { scenario } from '../helpers/scenario.ts'

const NOBODY = { uid: 65_534, gid: 65_534 }
const LEAVE = { linger: 0 }
const skip = reasonNotRoot()

interface Way {
  /** Of the lock's directory, and of `.members`, where there is one. Root's, unless `own`. */
  readonly mode: number
  readonly own?: boolean
  readonly members?: { readonly mode: number; readonly own: boolean }
  readonly is: 'used' | 'refused'
}

const WAYS: Readonly<Record<string, Way>> = {
  'without any permission': { mode: 0o000, own: true, is: 'refused' },
  'that may not be written': { mode: 0o555, own: true, is: 'refused' },
  'that may not be entered': { mode: 0o666, own: true, is: 'refused' },
  'that may not be listed': { mode: 0o333, own: true, is: 'refused' },
  'that sets the group': { mode: 0o2775, own: true, is: 'used' },
  'that all may write, without the sticky bit': { mode: 0o777, is: 'used' },
  'that all may write, with the sticky bit': { mode: 0o1777, is: 'used' },
  "that is another user's": { mode: 0o755, is: 'refused' },
  "whose .members is another user's": { mode: 0o777, members: { mode: 0o755, own: false }, is: 'refused' },
  'whose .members has no permissions': { mode: 0o755, own: true, members: { mode: 0o000, own: true }, is: 'refused' },
  'whose .members may not be written': { mode: 0o755, own: true, members: { mode: 0o555, own: true }, is: 'refused' },
  'whose .members may not be listed': { mode: 0o755, own: true, members: { mode: 0o333, own: true }, is: 'refused' },
  "whose .members is another user's, for all": { mode: 0o777, members: { mode: 0o1777, own: false }, is: 'used' },
}

scenario('a directory with any mode and owner is used, or is an error with the reason', { skip }, async (scene) => {
  const client = await spawnNobody(scene)
  for (const [what, { mode, own, members, is }] of Object.entries(WAYS)) {
    const path = join(scene.directory, what)
    make(path, mode, own === true)
    if (members !== undefined) make(join(path, '.members'), members.mode, members.own)
    const before = treeOf(path)
    for (const wish of ['acquire', 'try'] as const) {
      client.send({ do: wish, path, options: LEAVE })
      const { event, code } = await client.next('granted|refused|rejected')
      assert.equal(code ?? event, is === 'used' ? 'granted' : 'ERR_SLOCKET_PERMISSION', `${what}: ${wish}`)
      if (event === 'granted') await client.release()
    }
    if (is === 'refused') assert.deepEqual(treeOf(path), before, what)
    else assert.deepEqual([fs.lstatSync(path).mode & 0o7777, ticketsIn(path)], [mode, []], what)
  }
})

scenario('below a directory without permission to write or enter, nothing is created', { skip }, async (scene) => {
  const client = await spawnNobody(scene)
  for (const mode of [0o555, 0o666, 0o000]) {
    const parent = join(scene.directory, mode.toString(8))
    make(parent, mode, true)
    assert.equal((await client.fail(join(parent, 'lock'))).code, 'ERR_SLOCKET_PERMISSION')
    assert.deepEqual(fs.readdirSync(parent), [])
  }
})

for (const mode of [0o555, 0o000]) {
  scenario(
    `a lock whose directory gets the mode ${mode.toString(8)} stays held, and is free after its release`,
    { skip },
    async (scene) => {
      const [holder, newcomer] = [await spawnNobody(scene), await scene.spawn('newcomer', NOBODY)]
      make(scene.path, 0o755, true)
      await holder.acquire(scene.path)
      fs.chmodSync(scene.path, mode)
      assert.equal((await newcomer.fail(scene.path)).code, 'ERR_SLOCKET_PERMISSION')
      assert.equal(await holder.isHolding(), true)
      await holder.release()
      fs.chmodSync(scene.path, 0o755)
      await newcomer.acquire(scene.path)
    },
  )
}

const skipMount = skip === false ? reasonWithout('unshare', '-m', 'mount', '-t', 'tmpfs', 'none', '/mnt') : skip

scenario('a directory that is a mount point is used, and stays', { skip: skipMount }, async (scene) => {
  const [holder, waiter] = await scene.spawnAll('holder', 'waiter')
  fs.mkdirSync(scene.path)
  runSystem('mount', '-t', 'tmpfs', '-o', 'size=1m,mode=1775', 'none', scene.path)
  scene.onEnd(() => runSystem('umount', '-l', scene.path))
  await holder.acquire(scene.path, LEAVE)
  await waiter.enqueue(scene.path, LEAVE)
  await holder.release()
  await waiter.next('granted')
  await waiter.release()
  assert.deepEqual(fs.readdirSync(scene.path), [])
})

scenario(
  'an immutable directory is an error; a lock in one that becomes immutable can still be released',
  { skip },
  async (scene) => {
    const [holder, newcomer] = await scene.spawnAll('holder', 'newcomer')
    fs.mkdirSync(scene.path)
    const reason = reasonWithout('chattr', '+i', scene.path)
    if (reason !== false) return scene.test.skip(reason)
    scene.onEnd(() => runSystem('chattr', '-i', scene.path))
    assert.equal((await newcomer.fail(scene.path)).code, 'ERR_SLOCKET_PERMISSION')
    assert.deepEqual(fs.readdirSync(scene.path), [])
    runSystem('chattr', '-i', scene.path)
    await holder.acquire(scene.path)
    runSystem('chattr', '+i', scene.path)
    assert.equal((await newcomer.fail(scene.path)).code, 'ERR_SLOCKET_PERMISSION')
    await holder.release()
    runSystem('chattr', '-i', scene.path)
    await newcomer.acquire(scene.path)
  },
)

async function spawnNobody(scene: Scene): Promise<Client> {
  fs.chmodSync(scene.directory, 0o755)
  fs.chmodSync(scene.journal.file, 0o666)
  return await scene.spawn('nobody', NOBODY)
}

function make(directory: string, mode: number, isOwn: boolean): void {
  fs.mkdirSync(directory)
  if (isOwn) fs.chownSync(directory, NOBODY.uid, NOBODY.gid)
  fs.chmodSync(directory, mode)
}
