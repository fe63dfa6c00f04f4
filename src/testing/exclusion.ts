/** One holder at a time, and a larger token for each. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { slocket } from '../index.ts'
import { breathe, turn } from './random.ts'
import type { Suite } from './suite.ts'

export function testExclusion(suite: Suite): void {
  test('the engine has the capabilities that the tests expect', async () => {
    const { capabilities, openClient, closeClient } = suite.engine
    const client = await openClient()
    const { releasesAtOnce: _, ...expected } = capabilities
    assert.deepEqual({ ...client.capabilities }, expected)
    assert.equal(typeof client.name, 'string')
    await closeClient?.(client)
  })

  suite.testRandomly('among clients, one holds at a time', [], async (scene, random) => {
    const clients = await scene.clients(4)
    await Promise.all(
      clients.map(async (client) => {
        for (let round = 0; round < suite.rounds / 4; round += 1) {
          const held = await scene.hold(client)
          await breathe(random)
          await held.release()
          await breathe(random)
        }
      }),
    )
    assert.equal(scene.holders.history.length, Math.ceil(suite.rounds / 4) * clients.length)
  })

  suite.testRandomly('within one client, one holds at a time', [], async (scene, random) => {
    const client = await scene.client()
    await Promise.all(
      Array.from({ length: suite.rounds }, async () => {
        const held = await scene.hold(client)
        await breathe(random)
        await held.release()
      }),
    )
    assert.equal(scene.holders.history.length, suite.rounds)
  })

  suite.test('a counter that is read and written under the lock loses no update', [], async (scene) => {
    const clients = await scene.clients(3)
    const each = Math.ceil(suite.rounds / 10)
    let counter = 0
    const count = async (): Promise<void> => {
      const before = counter
      await turn()
      counter = before + 1
    }
    const workers = clients.flatMap((client) =>
      Array.from({ length: 3 }, async () => {
        for (let round = 0; round < each; round += 1) await slocket.with(scene.resource, scene.options(client), count)
      }),
    )
    await Promise.all(workers)
    assert.equal(counter, workers.length * each)
  })

  suite.test('locks with different names do not affect each other', [], async (scene) => {
    const client = await scene.client()
    const held = await scene.hold(client)
    const other = await slocket.try(await suite.engine.resource(), scene.options(client))
    assert.notEqual(other, null)
    await other!.release()
    await held.release()
  })

  suite.test('each holder gets a larger token than every earlier one', [], async (scene) => {
    const clients = await scene.clients(3)
    const tokens: bigint[] = []
    for (let round = 0; round < 30; round += 1) {
      const held = await scene.hold(clients[round % 3]!)
      tokens.push(held.token)
      await held.release()
    }
    for (let index = 1; index < tokens.length; index += 1) {
      assert.ok(tokens[index]! > tokens[index - 1]!, `token ${tokens[index]} after ${tokens[index - 1]}`)
    }
  })

  suite.test('tokens also grow when the lock is handed over to a waiter', [], async (scene) => {
    const clients = await scene.clients(3)
    const tokens: bigint[] = []
    await Promise.all(
      Array.from({ length: 30 }, async (_, index) => {
        const held = await scene.hold(clients[index % 3]!)
        tokens.push(held.token)
        await held.release()
      }),
    )
    for (let index = 1; index < tokens.length; index += 1) {
      assert.ok(tokens[index]! > tokens[index - 1]!, `token ${tokens[index]} after ${tokens[index - 1]}`)
    }
  })

  suite.test('a grant reports a dead predecessor only if the engine can know', [], async (scene) => {
    const held = await scene.hold(await scene.client())
    assert.equal(typeof held.grant.recovered, 'boolean')
    if (!suite.engine.capabilities.recovered) assert.equal(held.grant.recovered, false)
    await held.release()
  })
}
