// A theft from a ticket by which others wait too: they keep their place, whenever the thief is stopped, and whatever the victim does meanwhile.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import type { StepPlan } from '../helpers/commands.ts'
import { isStopped } from '../helpers/proc.ts'
import { until } from '../helpers/until.ts'
import type { ContextKind, WebClient, WebScene } from '../helpers/web-client.ts'
import { betweenProcesses } from '../helpers/web-client.ts'

const STEAL = { steal: true } as const
const STEPS = new URL('../fixtures/steps.js', import.meta.url).href
/** Fewer than these would mean that they are not counted. */
const FEWEST_STEPS = 6

/** One that is stopped at a step of its own. */
class Stoppable {
  readonly client: WebClient
  /** Whether it came to its step. */
  hasStopped = false
  readonly #root: string

  constructor(client: WebClient, root: string) {
    this.client = client
    this.#root = root
  }

  /** Stops after its next step number `at`. */
  async plan(at: number): Promise<void> {
    this.hasStopped = false
    const plan: StepPlan = { path: this.#root, at, when: 'after', deed: { kind: 'stop' } }
    this.client.send({ do: 'plan', plan }, { do: 'descriptors' })
    await this.client.next('descriptors')
  }

  /** Until it is stopped, or has come to `event`. */
  async stopsOr(event: 'called' | 'snapshot' | 'rejected', as: string): Promise<boolean> {
    await until('it is stopped, or went through', () => isStopped(this.client.pid) || this.client.has(event, as))
    this.hasStopped ||= isStopped(this.client.pid)
    return isStopped(this.client.pid)
  }

  /** It stops at no later step. */
  async goOn(): Promise<void> {
    const plan: StepPlan = { path: this.#root, at: 0, when: 'after', deed: { kind: 'stop' } }
    this.client.send({ do: 'plan', plan }, { do: 'descriptors' })
    await this.goOnUntil('it has no plan', () => this.client.has('descriptors'))
    await this.client.next('descriptors')
  }

  /** Waits for a condition, during which it may come to its step only now. */
  async goOnUntil(what: string, condition: () => boolean): Promise<void> {
    await until(what, () => {
      if (isStopped(this.client.pid)) {
        this.hasStopped = true
        this.client.continue()
      }
      return condition()
    })
  }
}

/** The victim holds, another request of it waits by the same ticket, and the waiter waits behind that. */
async function crowd(victim: WebClient, waiter: WebClient, as: string): Promise<void> {
  await victim.hold('lock', {}, as)
  await victim.wait('lock', {}, `${as}, next`)
  await waiter.wait('lock', {}, as)
}

/** Makes the victim look whether its lock was stolen, without waiting for stopped processes to answer its query. */
async function look(victim: WebClient): Promise<void> {
  victim.send({ do: 'query', as: 'look' }, { do: 'descriptors' })
  await victim.next('descriptors')
}

/** Has the victim notice the theft. */
async function notices(victim: WebClient, as: string): Promise<void> {
  await look(victim)
  assert.equal((await victim.next('rejected', as)).kind, 'AbortError')
}

/** All thieves have left: the request that waited by the victim's ticket comes first, and nothing of the theft is left. */
async function holdInOrder(scene: WebScene, victim: WebClient, waiter: WebClient, as: string): Promise<void> {
  await victim.next('called', `${as}, next`)
  assert.equal(waiter.has('called', as), false)
  assert.deepEqual(entriesWith(scene, '-s'), [])
  await victim.end(`${as}, next`)
  await waiter.next('called', as)
  assert.deepEqual(entriesWith(scene, '-m'), [])
  await waiter.end(as)
}

function entriesWith(scene: WebScene, mark: string): string[] {
  return fs.readdirSync(path.join(scene.root, 'lock')).filter((name) => name.endsWith(mark))
}

for (const kind of ['process', 'thread'] as const satisfies readonly ContextKind[]) {
  betweenProcesses(
    `a thief stopped after any step: a request that waits by the victim's ticket keeps its place (the victim is a ${kind})`,
    async (scene, t) => {
      const victim = await scene.start(kind)
      const waiter = await scene.start()
      const thief = new Stoppable(await scene.start('process', STEPS), scene.root)
      thief.hasStopped = true
      let at = 0
      for (; thief.hasStopped; at += 1) {
        const as = `theft ${at}`
        await crowd(victim, waiter, as)
        await thief.plan(at + 1)
        thief.client.send({ do: 'request', as, name: 'lock', options: STEAL })
        if (await thief.stopsOr('called', as)) await look(victim)
        await thief.goOnUntil('it has the lock', () => thief.client.has('called', as))
        await notices(victim, as)
        assert.equal(victim.has('called', `${as}, next`), false)
        thief.client.send({ do: 'end', as })
        await thief.goOnUntil('it has left', () => thief.client.has('resolved', as))
        await holdInOrder(scene, victim, waiter, as)
      }
      t.diagnostic(`${at - 1} steps`)
      assert.ok(at > FEWEST_STEPS, `only ${at} steps`)
    },
  )
}

betweenProcesses(
  'a request that reaches the victim while a thief is stopped after any step keeps its place',
  async (scene, t) => {
    const [victim, waiter] = await scene.startAll(2)
    const thief = new Stoppable(await scene.start('process', STEPS), scene.root)
    thief.hasStopped = true
    let at = 0
    for (; thief.hasStopped; at += 1) {
      const as = `theft ${at}`
      await victim!.hold('lock', {}, as)
      await thief.plan(at + 1)
      thief.client.send({ do: 'request', as, name: 'lock', options: STEAL })
      await thief.stopsOr('called', as)
      await victim!.wait('lock', {}, `${as}, next`)
      await waiter!.wait('lock', {}, as)
      await thief.goOnUntil('it has the lock', () => thief.client.has('called', as))
      await notices(victim!, as)
      thief.client.send({ do: 'end', as })
      await thief.goOnUntil('it has left', () => thief.client.has('resolved', as))
      await holdInOrder(scene, victim!, waiter!, as)
    }
    t.diagnostic(`${at - 1} steps`)
    assert.ok(at > FEWEST_STEPS, `only ${at} steps`)
  },
)

betweenProcesses(
  "a thief stopped after any step, while another one steals and leaves: a request that waits by the victim's ticket keeps its place",
  async (scene, t) => {
    const [victim, waiter, second] = await scene.startAll(3)
    const first = new Stoppable(await scene.start('process', STEPS), scene.root)
    first.hasStopped = true
    let at = 0
    for (; first.hasStopped; at += 1) {
      const as = `theft ${at}`
      await crowd(victim!, waiter!, as)
      await first.plan(at + 1)
      first.client.send({ do: 'request', as, name: 'lock', options: STEAL })
      if (await first.stopsOr('called', as)) await look(victim!)
      await second!.hold('lock', STEAL, as)
      await notices(victim!, as)
      await first.goOnUntil('the first thief has the lock, or had it', () => first.client.has('called', as))
      second!.send({ do: 'end', as })
      first.client.send({ do: 'end', as })
      const hasSettled = (client: WebClient): boolean => client.has('resolved', as) || client.has('rejected', as)
      await first.goOnUntil('both have left', () => hasSettled(first.client) && hasSettled(second!))
      await holdInOrder(scene, victim!, waiter!, as)
    }
    t.diagnostic(`${at - 1} steps`)
    assert.ok(at > FEWEST_STEPS, `only ${at} steps`)
  },
)

betweenProcesses(
  'a victim stopped after any step of accepting another request, while its lock is stolen: no place is lost, and none is taken',
  async (scene, t) => {
    const [waiter, thief] = await scene.startAll(2)
    const victim = new Stoppable(await scene.start('process', STEPS), scene.root)
    victim.hasStopped = true
    let at = 0
    for (; victim.hasStopped; at += 1) {
      const as = `crowd ${at}`
      await victim.client.hold('lock', {}, as)
      await victim.plan(at + 1)
      victim.client.send({ do: 'request', as: `${as}, next`, name: 'lock' }, { do: 'query', as: 'asked' })
      await victim.stopsOr('snapshot', 'asked')
      await thief!.hold('lock', STEAL, as)
      await victim.goOn()
      await victim.client.next('snapshot', 'asked')
      await notices(victim.client, as)
      // Behind a request that stands.
      await waiter!.wait('lock', {}, as)
      await thief!.end(as)
      await holdInOrder(scene, victim.client, waiter!, as)
    }
    t.diagnostic(`${at - 1} steps`)
    assert.ok(at > 2, `only ${at} steps`)
  },
)

betweenProcesses(
  "a lock stolen by one thief after the other: a request that waits by the victim's ticket keeps its place",
  async (scene) => {
    const [victim, waiter, ...thieves] = await scene.startAll(4)
    for (let round = 0; round < 5; round += 1) {
      const as = `round ${round}`
      await victim!.hold('lock', {}, as)
      for (let next = 0; next < 3; next += 1) await victim!.wait('lock', {}, `${as}, ${next}`)
      await waiter!.wait('lock', {}, as)
      let held = as
      for (let next = 0; next < 3; next += 1) {
        for (const thief of thieves) await thief.hold('lock', STEAL, held)
        await notices(victim!, held)
        assert.equal((await thieves[0]!.next('rejected', held)).kind, 'AbortError')
        await thieves[1]!.end(held)
        held = `${as}, ${next}`
        await victim!.next('called', held)
        assert.equal(waiter!.has('called', as), false)
      }
      await victim!.end(held)
      await waiter!.next('called', as)
      await waiter!.end(as)
    }
  },
)

for (const end of ['continued', 'killed'] as const) {
  betweenProcesses(`a victim with waiters that is stopped during the theft, and ${end} after it`, async (scene) => {
    const [victim, waiter, thief] = await scene.startAll(3)
    const as = end
    await crowd(victim!, waiter!, as)
    process.kill(victim!.pid, 'SIGSTOP')
    await until('it is stopped', () => isStopped(victim!.pid))
    await thief!.hold('lock', STEAL, as)
    if (end === 'killed') await victim!.kill()
    await thief!.end(as)
    if (end === 'killed') {
      await waiter!.next('called', as)
      assert.deepEqual([...entriesWith(scene, '-s'), ...entriesWith(scene, '-m')], [])
      await waiter!.end(as)
    } else {
      // It lives, and so its request that waits keeps its place.
      assert.equal((await thief!.query()).held.length, 1)
      assert.equal(waiter!.has('called', as), false)
      victim!.continue()
      await holdInOrder(scene, victim!, waiter!, as)
    }
    await until('the lock is gone', () => !fs.existsSync(path.join(scene.root, 'lock')))
  })
}
