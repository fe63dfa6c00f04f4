/** Exclusive and shared claims in one queue. */
import assert from 'node:assert/strict'
import type { Engine } from '../requests/engine.ts'
import { SHARED } from '../core/claim.ts'
import { slocket } from '../index.ts'
import type { Scene } from './scene.ts'
import type { Suite } from './suite.ts'

export function testClaims(suite: Suite): void {
  suite.test('shared requests hold together', ['shared'], async (scene) => {
    const clients = await scene.clients(3)
    const readers = await Promise.all([...clients, ...clients].map((client) => scene.hold(client, { claim: SHARED })))
    assert.equal(scene.holders.current.size, 6)
    for (const reader of readers) await reader.release()
  })

  suite.test(
    'x | s s x s: readers are granted together, up to the next writer (clients)',
    ['shared', 'ordered'],
    (scene) => checkGroups(scene, () => scene.client()),
  )

  suite.test(
    'x | s s x s: readers are granted together, up to the next writer (one client)',
    ['shared', 'ordered'],
    async (scene) => {
      const client = await scene.client()
      await checkGroups(scene, () => Promise.resolve(client))
    },
  )

  suite.test('a stream of readers does not starve a writer', ['shared', 'ordered'], async (scene) => {
    const clients = await scene.clients(3)
    const reader = await scene.hold(clients[0]!, { claim: SHARED })
    const writer = await scene.queueUp(clients[1]!, ['writer'])
    const late = clients.map((client, index) => scene.ask(client, { label: `late-${index}`, claim: SHARED }))
    await scene.stillWait(writer, ...late)
    for (const client of clients) await scene.ask(client, { claim: SHARED, wait: false }).refused()
    await reader.release()
    const written = await writer.granted()
    await scene.stillWait(...late)
    await written.release()
    await Promise.all(late.map(async (asking) => (await asking.granted()).release()))
  })

  suite.test('a writer waits for every reader', ['shared', 'ordered'], async (scene) => {
    const clients = await scene.clients(3)
    const readers = []
    for (const client of clients) readers.push(await scene.hold(client, { claim: SHARED }))
    const writer = await scene.queueUp(await scene.client(), ['writer'])
    for (const index of [1, 2, 0]) {
      await scene.stillWait(writer)
      await readers[index]!.release()
    }
    await (await writer.granted()).release()
  })

  suite.test(
    'when a writer gives up, the readers behind it hold with the others',
    ['shared', 'ordered'],
    async (scene) => {
      const [a, b, c, d] = await scene.clients(4)
      const controller = new AbortController()
      const reader = await scene.hold(a!, { claim: SHARED })
      const writer = await scene.queueUp(b!, ['writer'], { signal: controller.signal })
      const s1 = await scene.queueUp(c!, ['writer', 's-1'], { claim: SHARED })
      const s2 = await scene.queueUp(d!, ['writer', 's-1', 's-2'], { claim: SHARED })
      await scene.stillWait(s1, s2)
      controller.abort()
      await writer.rejected()
      const joined = [await s1.granted(), await s2.granted()]
      assert.equal(scene.holders.current.size, 3)
      for (const held of [reader, ...joined]) await held.release()
    },
  )

  suite.test('a shared lock shows that it is shared', ['shared'], async (scene) => {
    const options = scene.options(await scene.client())
    const lock = await slocket(scene.resource, { ...options, mode: 'shared' })
    const other = await slocket.try(scene.resource, { ...options, mode: 'shared' })
    assert.equal(lock.mode, 'shared')
    assert.equal(await slocket.try(scene.resource, options), null)
    await lock.release()
    assert.equal(await slocket.try(scene.resource, options), null)
    await other!.release()
    await scene.checkFreeNow()
  })
}

async function checkGroups(scene: Scene, client: () => Promise<Engine>): Promise<void> {
  const x1 = await scene.hold(await client(), { label: 'x-1' })
  const s1 = await scene.queueUp(await client(), ['s-1'], { claim: SHARED })
  const s2 = await scene.queueUp(await client(), ['s-1', 's-2'], { claim: SHARED })
  const x2 = await scene.queueUp(await client(), ['s-1', 's-2', 'x-2'])
  const s3 = await scene.queueUp(await client(), ['s-1', 's-2', 'x-2', 's-3'], { claim: SHARED })
  await scene.stillWait(s1, s2, x2, s3)
  await x1.release()
  const first = await s1.granted()
  const second = await s2.granted()
  await scene.showsHeld('s-1', 's-2')
  await scene.showsPending('x-2', 's-3')
  await second.release()
  await scene.stillWait(x2, s3)
  await first.release()
  const writer = await x2.granted()
  await scene.stillWait(s3)
  await writer.release()
  await (await s3.granted()).release()
}
