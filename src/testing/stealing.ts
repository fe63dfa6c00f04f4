/** Stealing: all holders lose the lock, waiters keep their places, and if two hold at the same time, one of them has lost it. */
import assert from 'node:assert/strict'
import type { Engine, Grant } from '../requests/engine.ts'
import { EXCLUSIVE, SHARED } from '../core/claim.ts'
import { slocket } from '../index.ts'
import type { LockRequest } from '../lock-state.ts'
import { breathe } from './random.ts'
import type { Scene } from './scene.ts'
import { eventually } from './scene.ts'
import type { Suite } from './suite.ts'

/** A grant, and whether it was lost. */
class Loot {
  readonly grant: Grant
  isLost = false

  constructor(grant: Grant) {
    this.grant = grant
    grant.onLost(() => (this.isLost = true))
  }
}

export function testStealing(suite: Suite): void {
  suite.test('stealing a free lock acquires it', ['steal'], async (scene) => {
    const thief = await steal(scene, await scene.client())
    assert.deepEqual(
      (await scene.query()).held.map(({ claim }) => claim),
      [EXCLUSIVE],
    )
    await thief.grant.release()
    assert.equal(thief.isLost, false)
  })

  for (const who of ['another client', 'the same client']) {
    suite.test(`a thief (${who}) has the lock at once, and the holder is notified`, ['steal'], async (scene) => {
      const [a, b] = await scene.clients(2)
      const holder = await take(scene, a!)
      const thief = await steal(scene, who === 'another client' ? b! : a!)
      await eventually(async () => assert.equal(holder.isLost, true))
      await holder.grant.release()
      await scene.ask(a!, { wait: false }).refused()
      await scene.ask(b!, { wait: false }).refused()
      await thief.grant.release()
      assert.equal(thief.isLost, false)
    })
  }

  suite.test('slocket.break takes the lock from its holder, and the next waiter has it', ['steal'], async (scene) => {
    const [a, b, c] = await scene.clients(3)
    const lock = await slocket(scene.resource, { ...scene.options(a!), label: 'the holder' })
    const waiting = await scene.queueUp(b!, ['next'])
    const breaking = { engine: c! }
    // A holder has only a moment to say what its label is, and may be too busy for that.
    await eventually(async () => {
      let labels: unknown
      const confirm = (held: readonly LockRequest[]): boolean => {
        labels = held.map(({ label }) => label)
        return false
      }
      assert.deepEqual(await slocket.break(scene.resource, { ...breaking, confirm }), [])
      assert.deepEqual(labels, ['the holder'])
    })
    assert.equal(lock.held, true)
    assert.equal((await slocket.break(scene.resource, breaking)).length, 1)
    const next = await waiting.granted()
    await eventually(async () => assert.equal(lock.held, false))
    await lock.release()
    await next.release()
    assert.deepEqual(await slocket.break(scene.resource, breaking), [])
  })

  suite.test('all shared holders lose the lock, in every client', ['steal', 'shared'], async (scene) => {
    const [a, b, c] = await scene.clients(3)
    const readers = [await take(scene, a!, 'shared'), await take(scene, a!, 'shared'), await take(scene, b!, 'shared')]
    const thief = await steal(scene, c!)
    await eventually(async () =>
      assert.deepEqual(
        readers.map(({ isLost }) => isLost),
        [true, true, true],
      ),
    )
    for (const { grant } of readers) await grant.release()
    await scene.ask(a!, { claim: SHARED, wait: false }).refused()
    await thief.grant.release()
  })

  suite.test('waiters keep their places behind a thief', ['steal', 'ordered'], async (scene) => {
    const [a, b, c] = await scene.clients(3)
    const victim = await take(scene, a!)
    const first = await scene.queueUp(a!, ['first'])
    const second = await scene.queueUp(b!, ['first', 'second'])
    const third = await scene.queueUp(a!, ['first', 'second', 'third'])
    const thief = await steal(scene, c!)
    await eventually(async () => assert.equal(victim.isLost, true))
    await scene.showsPending('first', 'second', 'third')
    await scene.stillWait(first, second, third)
    await thief.grant.release()
    for (const asking of [first, second, third]) await (await asking.granted()).release()
    assert.deepEqual(scene.holders.history, ['first', 'second', 'third'])
  })

  suite.test('the last thief wins', ['steal'], async (scene) => {
    const [a, b] = await scene.clients(2)
    const thieves = [await steal(scene, a!), await steal(scene, b!), await steal(scene, b!), await steal(scene, a!)]
    await eventually(async () =>
      assert.deepEqual(
        thieves.map(({ isLost }) => isLost),
        [true, true, true, false],
      ),
    )
    await thieves[0]!.grant.release()
    await scene.ask(b!, { wait: false }).refused()
    for (const { grant } of thieves) await grant.release()
  })

  suite.testRandomly('if two hold at one time, one of them loses the lock', ['steal'], async (scene, random) => {
    const clients = await scene.clients(3)
    const holding = new Set<Loot>()
    const overlaps: [Loot, Loot][] = []
    const thieves: Loot[] = []
    let thefts = 0
    let losses = 0
    const workers = [...clients, ...clients].map(async (client) => {
      for (let round = 0; round < suite.rounds / 4; round += 1) {
        const isTheft = random.chance(0.25)
        if (isTheft) thefts += 1
        const loot = isTheft ? await steal(scene, client) : await take(scene, client)
        if (isTheft) thieves.push(loot)
        for (const other of holding) overlaps.push([loot, other])
        holding.add(loot)
        await breathe(random)
        holding.delete(loot)
        await loot.grant.release()
        if (loot.isLost) losses += 1
      }
    })
    await Promise.all(workers)
    // If notifications take time, the victim may release before it is notified, and a grant may arrive after the thief's. Then there must be a thief in between.
    const hasVictim = ([one, other]: [Loot, Loot]): boolean => {
      if (one.isLost || other.isLost) return true
      const [earlier, later] = [one.grant.token, other.grant.token].sort((a, b) => (a < b ? -1 : 1)) as [bigint, bigint]
      return (
        !suite.engine.capabilities.releasesAtOnce &&
        thieves.some(({ grant }) => grant.token > earlier && grant.token <= later)
      )
    }
    for (const overlap of overlaps) {
      const tokens = overlap.map(({ grant }) => grant.token).join(' and ')
      assert.ok(hasVictim(overlap), `two held, with the tokens ${tokens}, and neither lost its lock`)
    }
    assert.ok(losses <= thefts, `${losses} lost their locks to ${thefts} thieves`)
  })
}

async function take(scene: Scene, client: Engine, mode: 'exclusive' | 'shared' = 'exclusive'): Promise<Loot> {
  const claim = mode === 'shared' ? SHARED : EXCLUSIVE
  const lingerMs = scene.engine.lingerMs ?? 0
  return new Loot((await client.acquire(scene.resource, { claim, wait: true, lingerMs }))!)
}

async function steal(scene: Scene, client: Engine): Promise<Loot> {
  const request = { claim: EXCLUSIVE, wait: true, steal: true, lingerMs: scene.engine.lingerMs ?? 0 }
  return new Loot((await client.acquire(scene.resource, request))!)
}
