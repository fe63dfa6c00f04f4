/**
 * What a stranger may do that listens at a ticket's place, ahead of others: generated, and a corpus (corpus/answers.json).
 * Whatever it says, it is alive: so all behind it wait, a try gives up, a query ends; and once it is dead, or its
 * ticket is gone, the next one holds.
 */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import fs from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { slocket } from '../../src/index.ts'
import type { Client } from '../helpers/client.ts'
import { corpus, fuzz, replay } from '../helpers/fuzz.ts'
import { Impostor, nameOfTicket } from '../helpers/impostor.ts'
import { untilWaiting } from '../helpers/lock-directory.ts'
import { reasonWithout } from '../helpers/privileges.ts'
import { openDescriptors, residentBytes } from '../helpers/proc.ts'
import type { Scene } from '../helpers/scenario.ts'
import { scenario } from '../helpers/scenario.ts'
import type { StrangerStep } from '../helpers/stranger.ts'
import { bytesOf, connectionsOf, framesWith } from '../helpers/stranger.ts'
import { until } from '../helpers/until.ts'

const MB = 1 << 20
const NO_LOOK = { preload: new URL('../fixtures/no-look.js', import.meta.url).href }
const noPython = reasonWithout('python3', '-c', '')
/** What might do something to a terminal, or hide something from a reader. */
const UNPRINTABLE = /[\p{C}\p{Zl}\p{Zp}]/u

interface Answers {
  readonly steps: readonly StrangerStep[]
  /** Whose name its ticket has: that of nobody, unless it is that of the one who waits for it. */
  readonly name?: 'waiter'
  /** How it ends: its socket dies, and the ticket stays; or the ticket is taken away. */
  readonly ends?: 'dies' | 'leaves'
}

const parties = fc
  .record({
    pid: fc.oneof(fc.integer(), fc.constant('x')),
    command: fc.oneof(fc.string({ unit: 'binary' }), fc.constant(null)),
    tickets: fc.record({
      '<impostor ticket>': fc.array(
        fc.record({
          since: fc.oneof(fc.double(), fc.constant('x')),
          label: fc.oneof(fc.string({ unit: 'binary' }), fc.integer()),
        }),
      ),
    }),
  })
  .map((party) => `party ${JSON.stringify(party).replaceAll(/[^\x20-\x7e]/g, escapeUnit)}\n`)
const steps = connectionsOf(
  fc.oneof(
    { weight: 2, arbitrary: bytesOf(framesWith(['<impostor>', '<waiter>'], ['<impostor ticket>'])) },
    { weight: 1, arbitrary: parties },
    { weight: 1, arbitrary: bytesOf(parties) },
  ),
)
const answers: fc.Arbitrary<Answers> = fc.record(
  { steps, name: fc.constant<'waiter'>('waiter'), ends: fc.constantFrom<'dies' | 'leaves'>('dies', 'leaves') },
  { requiredKeys: ['steps', 'ends'] },
)

scenario(
  'whatever a stranger answers at a ticket ahead, it is waited for, and not for longer than it lives',
  async (scene) => {
    const [waiter, other] = await Promise.all([scene.spawn('waiter', NO_LOOK), scene.spawn('other', NO_LOOK)])
    const clients = [waiter, other]
    // Both are members from now on.
    await waiter.acquire(scene.path)
    await other.enqueue(scene.path)
    await waiter.release()
    await other.next('granted')
    await other.release()
    const before = clients.map(({ pid }) => ({ descriptors: openDescriptors(pid), bytes: residentBytes(pid) }))
    await replay(corpus('answers') as Record<string, Answers>, (answer) => waitBehind(scene, waiter, other, answer))
    await fuzz(20, answers, (answer) => waitBehind(scene, waiter, other, answer))
    for (const [index, { pid, name }] of clients.entries()) {
      await until(`the descriptors of ${name} are closed`, () => openDescriptors(pid) <= before[index]!.descriptors)
      const grown = (residentBytes(pid) - before[index]!.bytes) / MB
      assert.ok(grown < 64, `${name} has grown by ${grown.toFixed(0)} MB`)
    }
  },
)

scenario(
  'a socket of another type at a ticket ahead is waited for as long as it lives',
  { skip: noPython },
  async (scene) => {
    const [waiter, other] = await scene.spawnAll('waiter', 'other')
    // Its directory stays meanwhile.
    await waiter.acquire(scene.path, { linger: 60_000 })
    await waiter.release()
    const ticket = join(scene.path, nameOfTicket())
    const program = `import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
print('bound', flush=True)
sys.stdin.read()`
    const child = spawn('python3', ['-c', program, ticket])
    scene.onEnd(() => void child.kill())
    await new Promise((resolve, reject) => child.stdout.once('data', resolve).once('end', reject))
    waiter.send({ do: 'acquire', path: scene.path })
    await untilWaiting(scene.path, 1, waiter.pid)
    assert.equal(await other.try(scene.path), false)
    assert.equal((await slocket.query(scene.path)).held.length, 1)
    assert.equal(waiter.hasSaid('granted'), false)
    child.stdin.end()
    await waiter.next('granted')
  },
)

async function waitBehind(scene: Scene, waiter: Client, other: Client, answer: Answers): Promise<void> {
  const impostor = await Impostor.listen(scene)
  const ownMember = fs.readdirSync(join(scene.path, '.members')).find((file) => file.endsWith(`.${waiter.pid}`))!
  const ticket = nameOfTicket(answer.name === undefined ? {} : { member: ownMember.split('.')[0]! })
  const [, number, , , member] = ticket.split('-')
  impostor.answer(answer.steps, {
    waiter: ownMember.split('.')[0]!,
    impostor: member!,
    'impostor ticket': `${number}-${member}`,
  })
  const path = join(scene.path, ticket)
  impostor.stand(path)
  try {
    await expectToWait(scene, waiter, other)
  } finally {
    if (answer.ends === 'leaves') fs.unlinkSync(path)
    impostor.die()
  }
  const { recovered } = await waiter.next('granted')
  assert.equal(recovered, answer.ends !== 'leaves')
  await waiter.release()
}

async function expectToWait(scene: Scene, waiter: Client, other: Client): Promise<void> {
  waiter.send({ do: 'acquire', path: scene.path })
  await untilWaiting(scene.path, 1, waiter.pid)
  assert.equal(await other.try(scene.path), false, 'a try was granted behind a living ticket')
  const { held, pending } = await slocket.query(scene.path)
  assert.ok(held.length >= 1)
  assert.equal(pending.at(-1)!.pid, waiter.pid)
  for (const { since, label = '' } of [...held, ...pending]) {
    assert.ok(!Number.isNaN(since!.getTime()))
    assert.ok(label.length <= 200)
  }
  const { code, message } = await other.fail(scene.path, { timeout: 1 })
  assert.equal(code, 'ERR_SLOCKET_TIMEOUT')
  assert.doesNotMatch(message!, UNPRINTABLE)
  await waiter.ping()
  assert.equal(waiter.hasSaid('granted'), false, 'granted behind a living ticket')
}

function escapeUnit(unit: string): string {
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`
}
