/** What can be done with a held lock: it is released once, and that releases nothing else. */
import assert from 'node:assert/strict'
import { slocket } from '../index.ts'
import { turn } from './random.ts'
import type { Suite } from './suite.ts'

export function testHandles(suite: Suite): void {
  suite.test('a release makes the lock free, for other clients and for the same client', [], async (scene) => {
    const clients = await scene.clients(2)
    for (const holder of clients) {
      for (const next of clients) {
        await (await scene.hold(holder)).release()
        await (await scene.hold(next, { wait: false })).release()
      }
    }
  })

  suite.test('the lock is free as soon as release is called', ['releasesAtOnce'], async (scene) => {
    const [holder, other] = await scene.clients(2)
    const held = await scene.hold(holder!)
    const released = held.release()
    const next = scene.ask(other!, { wait: false })
    const nextHeld = await next.granted()
    await released
    await nextHeld.release()
  })

  suite.test('release may be called again, and then does nothing', [], async (scene) => {
    const [first, second] = await scene.clients(2)
    const lock = await slocket(scene.resource, scene.options(first!))
    assert.equal(lock.held, true)
    await Promise.all([lock.release(), lock.release()])
    assert.equal(lock.held, false)
    await lock.release()
    const next = await slocket(scene.resource, scene.options(second!))
    await lock.release()
    assert.equal(next.held, true)
    assert.equal(await slocket.try(scene.resource, scene.options(first!)), null)
    await next.release()
  })

  suite.test('an old handle does not release what its client has acquired since', [], async (scene) => {
    const [client, other] = await scene.clients(2)
    const old = await slocket(scene.resource, scene.options(client!))
    const waiting = slocket(scene.resource, scene.options(client!))
    await old.release()
    const lock = await waiting
    await old.release()
    old[Symbol.dispose]()
    await old[Symbol.asyncDispose]()
    await turn()
    assert.equal(lock.held, true)
    assert.equal(await slocket.try(scene.resource, scene.options(other!)), null)
    assert.equal(await slocket.try(scene.resource, scene.options(client!)), null)
    await lock.release()
  })

  suite.test('the signal of a lock does not abort on its release', [], async (scene) => {
    const lock = await slocket(scene.resource, scene.options(await scene.client()))
    const { signal } = lock
    await lock.release()
    await turn()
    assert.equal(signal.aborted, false)
    assert.equal(lock.signal.aborted, false)
  })

  suite.test('a released lock is never reported as lost', [], async (scene) => {
    const held = await scene.hold(await scene.client())
    let lost: Error | undefined
    held.grant.onLost((error) => (lost = error))
    await held.release()
    await turn()
    assert.equal(lost, undefined)
  })

  suite.test('asyncDispose and dispose release', [], async (scene) => {
    const [client, other] = await scene.clients(2)
    const one = await slocket(scene.resource, scene.options(client!))
    await one[Symbol.asyncDispose]()
    assert.equal(one.held, false)
    await scene.checkFreeNow()
    const two = await slocket(scene.resource, scene.options(client!))
    two[Symbol.dispose]()
    assert.equal(two.held, false)
    await (await slocket(scene.resource, scene.options(other!))).release()
  })

  suite.test('a lock has its name, its mode and its token', [], async (scene) => {
    const lock = await slocket(scene.resource, scene.options(await scene.client()))
    assert.equal(lock.name, scene.resource)
    assert.equal(lock.mode, 'exclusive')
    assert.equal(lock.permits, undefined)
    assert.equal(typeof lock.token, 'bigint')
    assert.equal(lock.recovered, false)
    await lock.release()
  })
}
