/** Processes without /proc, in a chroot or a sandbox, beside others that have it. */
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { join } from 'node:path'
import type { Client } from '../helpers/client.ts'
import { ticketsIn, untilGone } from '../helpers/lock-directory.ts'
import { skipWithoutProc, WITHOUT_PROC } from '../helpers/no-proc.ts'
import { pathOfLength } from '../helpers/path-of-length.ts'
import { onlyInNode } from '../helpers/runtime.ts'
import type { Scene } from '../helpers/scenario.ts'
import { scenario } from '../helpers/scenario.ts'

const skip = onlyInNode('Deno without /proc is refused, and Bun aborts') || skipWithoutProc
const LEAVE = { linger: 0 }
const ROUNDS = 30

for (const length of [75, 76, 90, 107, 108, 150, 400]) {
  scenario(`a path of ${length} bytes is one lock, with and without /proc`, { skip }, async (scene) => {
    const path = pathOfLength(scene, length)
    const [a, b] = await spawnWithout(scene, 'a', 'b')
    const beside = await scene.spawn('beside')
    for (const client of [a, beside, b]) client.send({ do: 'contend', path, rounds: ROUNDS, options: LEAVE })
    await Promise.all([a, b, beside].map((client) => client.next('done')))

    await a.acquire(path, LEAVE)
    assert.equal(await b.try(path), false)
    await b.enqueue(path, LEAVE)
    await a.release()
    await b.next('granted')
    await b.release()
    await untilGone(path)
    // No socket under a name that was cut, and no short link.
    assert.deepEqual(entriesBelow(scene.directory), ['journal', 'temporary'])
  })
}

scenario('killed holders with and without /proc are detected by each other', { skip }, async (scene) => {
  const path = pathOfLength(scene, 150)
  const [without] = await spawnWithout(scene, 'without')
  const [beside, last] = await scene.spawnAll('beside', 'last')
  await without.acquire(path)
  await beside.enqueue(path)
  await without.kill()
  assert.equal((await beside.next('granted')).recovered, true)
  const [again] = await spawnWithout(scene, 'again')
  await again.enqueue(path)
  await beside.kill()
  assert.equal((await again.next('granted')).recovered, true)
  await again.release()
  await last.acquire(path, LEAVE)
  assert.deepEqual(
    ticketsIn(path).map(({ pid }) => pid),
    [last.pid],
  )
})

scenario(
  'without /proc and a directory for temporary files, a path that is too long is an error, and leaves nothing behind',
  { skip },
  async (scene) => {
    const client = await scene.spawn('client', { wrapper: [...WITHOUT_PROC, 'env', 'TMPDIR=/missing'] })
    const path = pathOfLength(scene, 150)
    const { code, message } = await client.fail(path)
    assert.equal(code, 'ERR_SLOCKET_PATH_TOO_LONG')
    assert.match(message!, /mount \/proc/)
    assert.equal(fs.existsSync(path), false)
    const short = join(scene.directory, 'lock')
    await client.acquire(short, LEAVE)
    await client.release()
    await untilGone(short)
  },
)

/** Their short links are made where the test can see them. */
async function spawnWithout<const Names extends readonly string[]>(
  scene: Scene,
  ...names: Names
): Promise<{ [Name in keyof Names]: Client }> {
  const temporary = join(scene.directory, 'temporary')
  fs.mkdirSync(temporary, { recursive: true })
  const wrapper = [...WITHOUT_PROC, 'env', `TMPDIR=${temporary}`]
  return (await Promise.all(names.map((name) => scene.spawn(name, { wrapper })))) as {
    [Name in keyof Names]: Client
  }
}

function entriesBelow(directory: string): string[] {
  const names = fs.readdirSync(directory, { recursive: true }).map(String)
  return names.filter((name) => !/^d+(\/|$)/.test(name)).sort()
}
