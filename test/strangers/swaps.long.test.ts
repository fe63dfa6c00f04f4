/**
 * A symbolic link is put in place of the lock, of `.members`, of a ticket or of a member's socket, before any step that a
 * process takes on the lock. Nothing is ever made, changed or removed where the link leads to, not even for a moment: that
 * would show in the times of the directory there.
 */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import fs from 'node:fs'
import { dirname, join } from 'node:path'
import { QueueDirectory } from '../../src/engines/local/directory.ts'
import type { Client } from '../helpers/client.ts'
import type { ClientEvent, PlainOptions, StepPlan } from '../helpers/commands.ts'
import { Impostor, nameOfTicket } from '../helpers/impostor.ts'
import { ticketsIn, treeOf, waitingIn } from '../helpers/lock-directory.ts'
import { isStopped } from '../helpers/proc.ts'
import type { Scene } from '../helpers/scenario.ts'
import { scenario } from '../helpers/scenario.ts'
import { noPlan, numberOfStep, WITH_STEPS } from '../helpers/steps.ts'
import { until } from '../helpers/until.ts'

const LEAVE: PlainOptions = { linger: 0 }
/** Then it changes permissions, too. */
const OPEN: PlainOptions = { linger: 0, access: 'all' }
/** Fewer than these would mean that they are not counted. */
const FEWEST_STEPS = 8

type Swap = (path: string, outside: string, pid: number) => void

const SWAPS: Readonly<Record<string, Swap>> = {
  'the lock': (path, outside) => replace(path, outside),
  'its .members': (path, outside) => replace(join(path, '.members'), outside),
  'the ticket': (path, outside, pid) => {
    const name = ticketsIn(path).find((ticket) => ticket.pid === pid)?.name
    if (name !== undefined) replace(join(path, name), join(outside, 'file'))
  },
  "the member's socket": (path, outside, pid) => {
    const members = join(path, '.members')
    const name = fs.existsSync(members) && fs.readdirSync(members).find((file) => file.endsWith(`.${pid}`))
    if (typeof name === 'string') replace(join(members, name), join(outside, 'file'))
  },
}

for (const [what, swap] of Object.entries(SWAPS)) {
  scenario(`a link in place of ${what}, before any step, is not followed by a write`, async (scene) => {
    const outside = makeOutside(scene)
    const [victim, holder] = await Promise.all([scene.spawn('victim', WITH_STEPS), scene.spawn('holder')])
    for (const kind of ['alone', 'behind a holder', 'open to all'] as const) {
      let isOver = false
      let at = 1
      for (; !isOver; at += 1) {
        const path = join(scene.directory, `${kind} ${at}`)
        const before = treeOf(outside)
        if (kind === 'behind a holder') await holder.acquire(path, LEAVE)
        const options = kind === 'open to all' ? OPEN : LEAVE
        const wasStopped = await live(victim, path, { at, when: 'before' }, options, {
          onStop: () => swap(path, outside, victim.pid),
          onWait: async () => (kind === 'behind a holder' ? await holder.release() : undefined),
        })
        isOver = !wasStopped
        assert.deepEqual(treeOf(outside), before, `${kind}, step ${at}`)
      }
      assert.ok(at > FEWEST_STEPS, `only ${at} steps`)
    }
  })
}

scenario("a link that replaces the member's new socket does not open its target to all", async (scene) => {
  const outside = makeOutside(scene)
  const victim = await scene.spawn('victim', WITH_STEPS)
  const at = await numberOfStep(victim, scene.path, 'listen', OPEN)
  const before = treeOf(outside)
  const events = {
    onStop: () => SWAPS["the member's socket"]!(scene.path, outside, victim.pid),
    onWait: async () => {},
  }
  assert.equal(await live(victim, scene.path, { at, when: 'after' }, OPEN, events), true)
  assert.deepEqual(treeOf(outside), before)
})

scenario("another program's socket, linked in place of the member's new one, is not opened to all", async (scene) => {
  const impostor = await Impostor.listen(scene)
  const victim = await scene.spawn('victim', WITH_STEPS)
  const at = await numberOfStep(victim, scene.path, 'listen', OPEN)
  const { mode } = fs.lstatSync(impostor.socket)
  const onStop = (): void => {
    const members = join(scene.path, '.members')
    const name = fs.readdirSync(members).find((file) => file.endsWith(`.${victim.pid}`))!
    fs.rmSync(join(members, name))
    impostor.stand(join(members, name))
  }
  assert.equal(await live(victim, scene.path, { at, when: 'after' }, OPEN, { onStop, onWait: async () => {} }), true)
  assert.equal(fs.lstatSync(impostor.socket).mode, mode)
})

scenario('a dead ticket does not cause removals through a linked .members', async (scene) => {
  const outside = makeOutside(scene)
  const [holder, waiter] = await scene.spawnAll('holder', 'waiter')
  await holder.acquire(scene.path)
  await waiter.enqueue(scene.path)
  const dead = await Impostor.listen(scene)
  dead.stand(join(scene.path, nameOfTicket({ number: '1'.padStart(19, '0'), member: 'abcdefghijkl', pid: 1 })))
  dead.die()
  replace(join(scene.path, '.members'), outside)
  const before = treeOf(outside)
  await holder.release()
  await waiter.next('granted')
  await waiter.release()
  assert.deepEqual(treeOf(outside), before)
})

scenario('a dead ticket in the name of a live member does not cost that member its socket', async (scene) => {
  const [holder, waiter] = await scene.spawnAll('holder', 'waiter')
  await holder.acquire(scene.path)
  const { member, pid } = ticketsIn(scene.path)[0]!
  const dead = await Impostor.listen(scene)
  dead.stand(join(scene.path, nameOfTicket({ member, pid })))
  dead.die()
  await waiter.enqueue(scene.path)
  await waiter.ping()
  assert.equal(fs.existsSync(join(scene.path, '.members', `${member}.${pid}`)), true)
  await holder.release()
  await waiter.next('granted')
})

scenario('a ticket that has become a link is not touched through it', (scene) => {
  const outside = makeOutside(scene)
  fs.mkdirSync(scene.path)
  const name = nameOfTicket()
  fs.symlinkSync(join(outside, 'file'), join(scene.path, name))
  const before = treeOf(outside)
  const directory = new QueueDirectory(scene.path)
  directory.touch(name)
  directory.removeTicket(name)
  assert.deepEqual(treeOf(outside), before)
  assert.deepEqual(fs.readdirSync(scene.path), [])
  return Promise.resolve()
})

/** What somebody else's directory may hold, in which this user may write. */
function makeOutside(scene: Scene): string {
  const outside = join(scene.directory, 'outside')
  fs.mkdirSync(join(outside, '.members'), { recursive: true })
  for (const name of ['file', 'abcdefghijkl.1', '2-0000000849714949590-x-4711-k3j9d8f7a6s5-9b4128cb']) {
    fs.writeFileSync(join(outside, name), 'precious')
  }
  return outside
}

/** Puts a link there; what was there stays, under another name beside the lock's directory. */
function replace(path: string, target: string): void {
  fs.mkdirSync(dirname(path), { recursive: true })
  const aside = join(dirname(target).replace(/\/outside$/, ''), `aside ${randomUUID()}`)
  if (fs.lstatSync(path, { throwIfNoEntry: false }) !== undefined) fs.renameSync(path, aside)
  fs.symlinkSync(target, path)
}

interface Events {
  onStop(): void
  /** It waits, or will not. */
  onWait(): Promise<void>
}

/** Acquires, releases and leaves; stopped at the step that `place` says. Gives whether it took so many steps. */
async function live(
  victim: Client,
  path: string,
  place: Pick<StepPlan, 'at' | 'when'>,
  options: PlainOptions,
  { onStop, onWait }: Events,
): Promise<boolean> {
  let wasStopped = false
  const isWaiting = (): boolean => waitingIn(path, victim.pid).length > 0
  const goOn = async (events: string, isEnough: () => boolean): Promise<void> => {
    const hasSaid = (): boolean => events.split('|').some((event) => victim.hasSaid(event))
    await until(`it says ${events}, or is stopped`, () => isStopped(victim.pid) || hasSaid() || isEnough())
    if (!isStopped(victim.pid)) return
    await victim.next('stopping')
    wasStopped = true
    onStop()
    victim.continue()
  }
  const settle = async (events: string): Promise<ClientEvent> => {
    await goOn(events, () => wasStopped)
    return await victim.next(events)
  }
  victim.send({ do: 'plan', plan: { path, ...place, deed: { kind: 'stop' } } })
  victim.send({ do: 'acquire', path, options })
  await goOn('granted|rejected', isWaiting)
  await onWait()
  const { event } = await settle('granted|rejected')
  if (event === 'granted') {
    victim.send({ do: 'release' })
    await settle('released|rejected')
  }
  // What it does after its answer is a step, too; what it does later, by a timer, is none.
  victim.send({ do: 'plan', plan: noPlan(path) }, { do: 'ping' })
  await settle('pong')
  return wasStopped
}
