/** First come, first served. */
import assert from 'node:assert/strict'
import type { Engine } from '../requests/engine.ts'
import type { Asking } from './asking.ts'
import type { Scene } from './scene.ts'
import type { Suite } from './suite.ts'

export function testOrder(suite: Suite): void {
  suite.test('among clients: first come, first served', ['ordered'], async (scene) => {
    const [holder, ...others] = await scene.clients(6)
    await checkServedInOrder(scene, holder!, others)
  })

  suite.test('within one client: first come, first served', ['ordered'], async (scene) => {
    const client = await scene.client()
    await checkServedInOrder(
      scene,
      client,
      Array.from({ length: 6 }, () => client),
    )
  })

  suite.test('clients that ask in turn are served in turn', ['ordered'], async (scene) => {
    const [a, b, c] = await scene.clients(3)
    await checkServedInOrder(scene, a!, [b!, a!, b!, b!, c!, a!, a!, c!, b!])
  })

  suite.test('requests that one client makes at once are served in their order', ['ordered'], async (scene) => {
    const client = await scene.client()
    const askings = Array.from({ length: 50 }, (_, index) => scene.ask(client, { label: `go-${index}` }))
    for (const asking of askings) await (await asking.granted()).release()
    assert.deepEqual(
      scene.holders.history,
      askings.map(({ label }) => label),
    )
  })

  suite.test('if a waiter in the middle gives up, the order of the others stays', ['ordered'], async (scene) => {
    const [holder, ...others] = await scene.clients(6)
    const held = await scene.hold(holder!, { label: 'holder' })
    const { askings, labels, controllers } = await queueAllUp(scene, others)
    for (const place of [2, 0, 4]) {
      controllers[place]!.abort()
      await askings[place]!.rejected()
    }
    await scene.showsPending(labels[1]!, labels[3]!)
    await scene.stillWait(askings[1]!, askings[3]!)
    await held.release()
    await (await askings[1]!.granted()).release()
    await (await askings[3]!.granted()).release()
    assert.deepEqual(scene.holders.history, ['holder', labels[1], labels[3]])
  })

  suite.test('if a waiter within a client gives up, the order of the others stays', ['ordered'], async (scene) => {
    const client = await scene.client()
    const held = await scene.hold(client, { label: 'holder' })
    const { askings, labels, controllers } = await queueAllUp(
      scene,
      Array.from({ length: 5 }, () => client),
    )
    for (const place of [2, 0, 4]) controllers[place]!.abort()
    await scene.showsPending(labels[1]!, labels[3]!)
    await held.release()
    await (await askings[1]!.granted()).release()
    await (await askings[3]!.granted()).release()
    assert.deepEqual(scene.holders.history, ['holder', labels[1], labels[3]])
  })

  suite.test('a client that asks again after a release stands behind the waiters', ['ordered'], async (scene) => {
    const [a, b] = await scene.clients(2)
    const held = await scene.hold(a!, { label: 'a-1' })
    const waiting = await scene.queueUp(b!, ['b'])
    const releasing = held.release()
    const again = scene.ask(a!, { label: 'a-2' })
    await releasing
    const next = await waiting.granted()
    await scene.showsPending('a-2')
    await scene.stillWait(again)
    await next.release()
    await (await again.granted()).release()
  })
}

/** Queues `others` behind a holder, one after the other, and checks that they are served in that order. */
async function checkServedInOrder(scene: Scene, holder: Engine, others: readonly Engine[]): Promise<void> {
  const held = await scene.hold(holder, { label: 'holder' })
  const { askings, labels } = await queueAllUp(scene, others)
  await held.release()
  for (const [index, asking] of askings.entries()) {
    const next = await asking.granted()
    await scene.stillWait(...askings.slice(index + 1))
    await next.release()
  }
  assert.deepEqual(scene.holders.history, ['holder', ...labels])
}

interface Queued {
  readonly askings: Asking[]
  readonly labels: string[]
  readonly controllers: AbortController[]
}

async function queueAllUp(scene: Scene, clients: readonly Engine[]): Promise<Queued> {
  const queued: Queued = { askings: [], labels: [], controllers: [] }
  for (const [index, client] of clients.entries()) {
    const controller = new AbortController()
    queued.labels.push(`waiter-${index}`)
    queued.askings.push(await scene.queueUp(client, queued.labels, { signal: controller.signal }))
    queued.controllers.push(controller)
  }
  return queued
}
