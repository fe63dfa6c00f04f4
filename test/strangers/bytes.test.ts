/**
 * What a stranger may send to processes that hold, wait and hand over: generated, and a corpus (corpus/bytes.json).
 * Whatever it is: nobody crashes, holders keep the lock, and nobody is granted early, out of order, or late. To detect late
 * grants, the check once a second is taken away (fixtures/no-look.ts): then a lost wake-up is never made up for.
 */
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import type { Client } from '../helpers/client.ts'
import { corpus, fuzz, replay } from '../helpers/fuzz.ts'
import { ticketsIn, untilWaiting } from '../helpers/lock-directory.ts'
import { openDescriptors, residentBytes } from '../helpers/proc.ts'
import type { Scene } from '../helpers/scenario.ts'
import { scenario } from '../helpers/scenario.ts'
import type { StrangerStep } from '../helpers/stranger.ts'
import { bytesOf, connectionsOf, framesWith, Stranger } from '../helpers/stranger.ts'
import { until } from '../helpers/until.ts'

const MB = 1 << 20
const NO_LOOK = { preload: new URL('../fixtures/no-look.js', import.meta.url).href }

const ROLES = ['holder', 'next', 'last'] as const
type Role = (typeof ROLES)[number]

interface Visit {
  readonly to: Role
  /** Which of its names is connected to. */
  readonly by: 'ticket' | 'member'
  readonly steps: readonly StrangerStep[]
}

interface Conversation {
  readonly visits: readonly Visit[]
  /** In which order the visitors take their steps: each number, modulo their count, is one of them. */
  readonly order?: readonly number[]
  /** Whether they hang up before the lock is handed over. */
  readonly leave?: boolean
}

const steps = connectionsOf(
  bytesOf(
    framesWith(
      ROLES.map((role) => `<${role}>`),
      ROLES.map((role) => `<${role} ticket>`),
    ),
  ),
)
const conversations: fc.Arbitrary<Conversation> = fc.record({
  visits: fc.array(fc.record({ to: fc.constantFrom(...ROLES), by: fc.constantFrom('ticket', 'member'), steps }), {
    minLength: 1,
    maxLength: 4,
  }),
  order: fc.array(fc.nat(3), { maxLength: 12 }),
  leave: fc.boolean(),
})

scenario('nothing that strangers send disturbs a holder or waiters', async (scene) => {
  const line = await standInLine(scene)
  const before = line.clients.map(({ pid }) => ({ descriptors: openDescriptors(pid), bytes: residentBytes(pid) }))
  await replay(corpus('bytes') as Record<string, Conversation>, (conversation) =>
    handOverAmid(scene, line, conversation),
  )
  await fuzz(30, conversations, (conversation) => handOverAmid(scene, line, conversation))
  for (const [index, { pid, name }] of line.clients.entries()) {
    // Each has a connection to the one ahead; it may have got one to the one behind, too, and that one to it.
    const most = before[index]!.descriptors + 2
    await until(`the descriptors of ${name} are closed`, () => openDescriptors(pid) <= most)
    const grown = (residentBytes(pid) - before[index]!.bytes) / MB
    assert.ok(grown < 64, `${name} has grown by ${grown.toFixed(0)} MB`)
  }
})

scenario('nothing that strangers send disturbs contending processes', async (scene) => {
  const line = await standInLine(scene)
  for (const client of line.queue) client.send({ do: 'abort' })
  await line.queue[0]!.release()
  await Promise.all(line.queue.slice(1).map((client) => client.next('rejected')))
  let rounds = 0
  await fuzz(8, conversations, async (conversation) => {
    rounds += 3
    const contend = { do: 'contend', path: scene.path, rounds: 3, counter: scene.counter } as const
    for (const client of line.clients) client.send(contend)
    // Which of them holds, or waits, is a matter of the moment; some of the names are gone before they are reached.
    const strangers = await converse(scene, conversation, wordsFor(scene, line.clients))
    await Promise.all(line.clients.map((client) => client.next('done')))
    for (const stranger of strangers) stranger.hangUp()
  })
  assert.equal(fs.readFileSync(scene.counter, 'utf8'), String(3 * rounds))
})

interface Line {
  readonly clients: readonly Client[]
  /** The holder, and those who wait, in their order. */
  queue: Client[]
}

/** Three in line, each connected to each, as far as they ever will be. */
async function standInLine(scene: Scene): Promise<Line> {
  const clients = await Promise.all(['a', 'b', 'c'].map((name) => scene.spawn(name, NO_LOOK)))
  const line: Line = { clients, queue: [...clients] }
  await clients[0]!.acquire(scene.path)
  for (const client of clients.slice(1)) await client.enqueue(scene.path)
  for (let round = 0; round < 6; round += 1) await handOver(scene, line)
  await Promise.all(clients.map((client) => client.ping()))
  return line
}

async function handOverAmid(scene: Scene, line: Line, conversation: Conversation): Promise<void> {
  const strangers = await converse(scene, conversation, wordsFor(scene, line.queue))
  if (conversation.leave === true) for (const stranger of strangers) stranger.hangUp()
  await Promise.all(line.clients.map((client) => client.ping()))
  for (const waiter of line.queue.slice(1)) assert.equal(waiter.hasSaid('granted'), false, 'granted beside the holder')
  await handOver(scene, line)
  for (const stranger of strangers) stranger.hangUp()
}

/** The holder releases, the next one holds, and the former one stands behind the last. */
async function handOver(scene: Scene, line: Line): Promise<void> {
  const [holder, next, last] = line.queue as [Client, Client, Client]
  await holder.release()
  await next.next('granted')
  assert.equal(last.hasSaid('granted'), false, 'granted out of turn')
  await holder.enqueue(scene.path)
  await untilWaiting(scene.path, 2)
  line.queue = [next, last, holder]
}

interface Words {
  readonly text: Readonly<Record<string, string>>
  readonly socketOf: (role: Role, by: Visit['by']) => string
}

/** What is only known once they run: their members' and their tickets' ids. */
function wordsFor(scene: Scene, queue: readonly Client[]): Words {
  const text: Record<string, string> = {}
  const tickets = ticketsIn(scene.path)
  const members = fs.readdirSync(join(scene.path, '.members'))
  const names = new Map<string, string>()
  for (const [index, { pid }] of queue.entries()) {
    const role = ROLES[index]!
    const member = members.find((name) => name.endsWith(`.${pid}`)) ?? 'gone'
    const ticket = tickets.find((one) => one.pid === pid)
    text[role] = member.split('.')[0]!
    if (ticket !== undefined) text[`${role} ticket`] = ticket.id
    names.set(`${role} member`, `.members/${member}`)
    names.set(`${role} ticket`, ticket?.name ?? 'gone')
  }
  return { text, socketOf: (role, by) => join(scene.path, names.get(`${role} ${by}`)!) }
}

async function converse(scene: Scene, conversation: Conversation, words: Words): Promise<Stranger[]> {
  const visitors = conversation.visits.map(({ to, by, steps: all }) => {
    return { stranger: Stranger.connect(scene, words.socketOf(to, by)), left: [...all] }
  })
  const take = async (index: number): Promise<void> => {
    const { stranger, left } = visitors[index]!
    const step = left.shift()
    if (step !== undefined) await stranger.take(step, words.text)
  }
  for (const number of conversation.order ?? []) await take(number % visitors.length)
  for (const [index, { left }] of visitors.entries()) while (left.length > 0) await take(index)
  return visitors.map(({ stranger }) => stranger)
}
