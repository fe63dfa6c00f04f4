/** File systems of other kinds, full ones, and one that becomes read-only while a lock is held. */
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { join } from 'node:path'
import { untilGone } from '../helpers/lock-directory.ts'
import { mountOverlay, mountTmpfs, skipMounts } from '../helpers/mounts.ts'
import { runSystem } from '../helpers/privileges.ts'
import { scenario } from '../helpers/scenario.ts'

const skip = skipMounts
const LEAVE = { linger: 0 }

for (const type of ['tmpfs', 'overlay'] as const) {
  scenario(`processes contend on ${type}, and a killed holder is detected`, { skip }, async (scene) => {
    const path = join(type === 'tmpfs' ? mountTmpfs(scene, 'size=1m') : mountOverlay(scene), 'lock')
    const [a, b, c] = await scene.spawnAll('a', 'b', 'c')
    for (const client of [a, b, c])
      client.send({ do: 'contend', path, rounds: 50, counter: scene.counter, options: LEAVE })
    await Promise.all([a, b, c].map((client) => client.next('done')))
    assert.equal(fs.readFileSync(scene.counter, 'utf8'), '150')
    await untilGone(path)
    await a.acquire(path)
    await b.enqueue(path)
    await a.kill()
    assert.equal((await b.next('granted')).recovered, true)
  })
}

scenario(
  'without free inodes, at any step, an acquire fails or is granted; with some it works again',
  { skip },
  async (scene) => {
    // Short of one inode for the directory, for its .members, for the socket, for the ticket: or for none of them.
    const client = await scene.spawn('client')
    const root = mountTmpfs(scene, 'nr_inodes=20')
    const path = join(root, 'lock')
    const outcomes: string[] = []
    for (let free = 0; free < 8; free += 1) {
      const files = fillInodes(root)
      for (const file of files.splice(0, free)) fs.unlinkSync(file)
      client.send({ do: 'acquire', path, options: LEAVE })
      const { event, code } = await client.next('granted|rejected')
      outcomes.push(code ?? event)
      if (event === 'granted') await client.release()
      else assert.equal(code, 'ERR_SLOCKET_RESOURCES')
      for (const file of files) fs.unlinkSync(file)
      await client.acquire(path, LEAVE)
      await client.release()
      await untilGone(path)
    }
    assert.deepEqual([outcomes[0], outcomes.at(-1)], ['ERR_SLOCKET_RESOURCES', 'granted'])
  },
)

scenario(
  'a full file system affects no holder and no waiter, and a newcomer only while it is full',
  { skip },
  async (scene) => {
    const [holder, waiter, newcomer] = await scene.spawnAll('holder', 'waiter', 'newcomer')
    const root = mountTmpfs(scene, 'size=256k,nr_inodes=40')
    const path = join(root, 'lock')
    await holder.acquire(path)
    await waiter.enqueue(path)
    fs.writeFileSync(join(root, 'filler'), '')
    assert.throws(() => fs.writeFileSync(join(root, 'filler'), Buffer.alloc(1 << 20)), { code: 'ENOSPC' })
    const files = fillInodes(root)
    assert.equal((await newcomer.fail(path)).code, 'ERR_SLOCKET_RESOURCES')
    await holder.release()
    await waiter.next('granted')
    await waiter.release()
    for (const file of files) fs.unlinkSync(file)
    await newcomer.acquire(path)
  },
)

scenario(
  'on a file system that has become read-only, held locks can be released, and newcomers get an error',
  { skip },
  async (scene) => {
    const [holder, waiter, last, newcomer] = await scene.spawnAll('holder', 'waiter', 'last', 'newcomer')
    const root = mountTmpfs(scene, 'size=1m')
    const path = join(root, 'lock')
    await holder.acquire(path)
    await waiter.enqueue(path)
    await last.enqueue(path)
    runSystem('mount', '-o', 'remount,ro', root)
    assert.equal((await newcomer.fail(path)).code, 'ERR_SLOCKET_READ_ONLY')
    await holder.release()
    for (const client of [waiter, last]) {
      await client.next('granted')
      await client.release()
    }
    runSystem('mount', '-o', 'remount,rw', root)
    await newcomer.acquire(path)
    for (const client of [holder, waiter, last]) await client.enqueue(path, {}, { as: 'again' })
    await newcomer.release()
    for (const client of [holder, waiter, last]) {
      await client.next('granted', 'again')
      await client.release('again')
    }
  },
)

/** Makes files until there are no more inodes. */
function fillInodes(root: string): string[] {
  const files: string[] = []
  for (;;) {
    const file = join(root, `filler ${files.length}`)
    try {
      fs.closeSync(fs.openSync(file, 'wx'))
    } catch (error) {
      assert.equal((error as NodeJS.ErrnoException).code, 'ENOSPC')
      return files
    }
    files.push(file)
  }
}
