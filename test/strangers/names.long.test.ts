/**
 * What may lie in the directory of a lock, before anybody comes or while it is in use: any name, any kind. Generated, and a
 * corpus (corpus/names.json).
 *
 *  - A newcomer to a directory with any foreign entry is refused, and touches nothing.
 *  - Requests that are already in the queue skip it, and don't touch it.
 *  - A live socket with the name of a ticket is waited for like any other. A dead one is removed.
 */
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { EXCLUSIVE } from '../../src/core/claim.ts'
import { isSlocketError, slocket } from '../../src/index.ts'
import type { Client } from '../helpers/client.ts'
import type { ClientEvent } from '../helpers/commands.ts'
import { corpus, fuzz, replay } from '../helpers/fuzz.ts'
import { nameOfTicket } from '../helpers/impostor.ts'
import type { Intruder } from '../helpers/intruders.ts'
import { contentOf, intruders, isOfLock, isTicket, nameOf, withMember, Workshop } from '../helpers/intruders.ts'
import { ticketsIn } from '../helpers/lock-directory.ts'
import type { Scene } from '../helpers/scenario.ts'
import { scenario } from '../helpers/scenario.ts'
import { until } from '../helpers/until.ts'

const LEAVE = { linger: 0 }
const TERMINAL = /[\p{C}\p{Zl}\p{Zp}]/u

const someIntruders = fc.oneof(
  { weight: 3, arbitrary: fc.array(intruders(nearNow()), { minLength: 1, maxLength: 5 }) },
  // All of a lock: then it has to work.
  {
    weight: 1,
    arbitrary: fc
      .array(intruders(nearNow()), { minLength: 1, maxLength: 5 })
      .map((all) =>
        all.map((one): Intruder => (isOfLock(one) ? one : { ...one, name: nameOfTicket(), kind: 'dead socket' })),
      ),
  },
)

scenario('with any content in the directory at first, it is an error, or a lock', async (scene) => {
  const client = await scene.spawn('client')
  const workshop = new Workshop(scene)
  await workshop.prepare()
  const outside = [...contentOf(workshop.outside)]
  await replay(corpus('names') as Record<string, Intruder[]>, (all) => comeTo(scene, client, workshop, withMember(all)))
  await fuzz(25, someIntruders, (all) => comeTo(scene, client, workshop, all))
  assert.deepEqual(withoutSockets(contentOf(workshop.outside)), withoutSockets(new Map(outside)))
})

scenario('with any content that appears in the directory of a lock in use, its queue works', async (scene) => {
  const [holder, waiter, newcomer] = await scene.spawnAll('holder', 'waiter', 'newcomer')
  const workshop = new Workshop(scene)
  await workshop.prepare()
  const outside = [...contentOf(workshop.outside)]
  // It stays in the queue throughout, so that the directory does.
  const line: Line = { queue: [holder, waiter], newcomer, workshop }
  await holder.acquire(scene.path)
  await replay(corpus('names') as Record<string, Intruder[]>, (all) => handOverAmong(scene, line, withMember(all)))
  await fuzz(25, someIntruders, (all) => handOverAmong(scene, line, all))
  assert.deepEqual(withoutSockets(contentOf(workshop.outside)), withoutSockets(new Map(outside)))
})

scenario('hundreds of dead tickets, live tickets, and other entries block nobody forever', async (scene) => {
  const [holder, waiter] = await scene.spawnAll('holder', 'waiter')
  const workshop = new Workshop(scene)
  await workshop.prepare()
  await holder.acquire(scene.path)
  await waiter.enqueue(scene.path)
  const living: string[] = []
  for (let count = 0; count < 300; count += 1) {
    const kind = (['dead socket', 'file', 'living socket'] as const)[count % 3]!
    const name = nameOfTicket({ number: String(count).padStart(19, '0') })
    workshop.put(scene.path, { name, kind })
    if (kind === 'living socket') living.push(name)
  }
  await holder.release()
  await waiter.ping()
  assert.equal(waiter.hasSaid('granted'), false)
  for (const name of living) fs.unlinkSync(join(scene.path, name))
  await waiter.next('granted')
  // The dead are swept, what is a file is not.
  assert.equal(fs.readdirSync(scene.path).filter((name) => name.includes('-0000000000000000')).length, 100)
})

scenario("a dead ticket with the holder's number and member does not hide the holder", async (scene) => {
  const [holder, waiter] = await scene.spawnAll('holder', 'waiter')
  const workshop = new Workshop(scene)
  await workshop.prepare()
  await holder.acquire(scene.path)
  const { number, member } = ticketsIn(scene.path)[0]!
  // A larger process id, so that it is the nearest one ahead of the waiter.
  workshop.put(scene.path, { name: nameOfTicket({ number, member, pid: 9_999_999_999 }), kind: 'dead socket' })
  await waiter.enqueue(scene.path)
  await waiter.ping()
  assert.equal(waiter.hasSaid('granted'), false)
  await holder.release()
  await waiter.next('granted')
})

async function comeTo(scene: Scene, client: Client, workshop: Workshop, all: readonly Intruder[]): Promise<void> {
  const path = fs.mkdtempSync(join(scene.directory, 'lock-'))
  if (all.some(({ inMembers }) => inMembers === true)) fs.mkdirSync(join(path, '.members'))
  for (const one of all) workshop.put(path, one)
  const before = contentOf(path)
  const present = all.filter((one) => isThere(before, one))
  const answers: ClientEvent[] = []
  for (const wish of ['try', 'acquire'] as const) {
    client.send({ do: wish, path, options: wish === 'try' ? LEAVE : { ...LEAVE, timeout: 100 } })
    const answer = await client.next('granted|refused|rejected')
    answers.push(answer)
    if (answer.event === 'granted') await client.release()
    if (answer.event === 'rejected') assertClear(answer)
  }
  await assertQueryEnds(path)
  await until('the client has left', () => membersOf(path).every((name) => !name.endsWith(`.${client.pid}`)))
  const [tried, asked] = answers
  if (!present.every(isOfLock)) {
    for (const { code } of answers) assert.equal(code, 'ERR_SLOCKET_NOT_A_LOCK')
    assert.deepEqual(contentOf(path), before)
    return
  }
  if (present.some((one) => one.kind === 'living socket' && isTicket(one))) {
    assert.notEqual(tried!.event, 'granted', 'a try was granted beside a living ticket')
    assert.notEqual(asked!.event, 'granted', 'granted beside a living ticket')
  } else if (!present.some(isHopeless)) {
    assert.deepEqual([tried!.event, asked!.event], ['granted', 'granted'])
  }
  if (fs.existsSync(path)) assertUntouched(contentOf(path), before)
}

interface Line {
  readonly queue: Client[]
  readonly newcomer: Client
  readonly workshop: Workshop
}

async function handOverAmong(scene: Scene, line: Line, all: readonly Intruder[]): Promise<void> {
  const [holder, waiter] = line.queue as [Client, Client]
  const { path } = scene
  await waiter.enqueue(path)
  const own = ticketsIn(path).find(({ pid }) => pid === waiter.pid)!.name
  for (const one of all) line.workshop.put(path, one)
  const before = contentOf(path)
  const present = all.filter((one) => isThere(before, one))
  line.newcomer.send({ do: 'try', path, options: LEAVE })
  const tried = await line.newcomer.next('granted|refused|rejected')
  assert.notEqual(tried.event, 'granted', 'granted beside the holder')
  if (tried.event === 'rejected') assertClear(tried)
  if (!present.every(isOfLock)) assert.equal(tried.code, 'ERR_SLOCKET_NOT_A_LOCK')
  await assertQueryEnds(path)
  await holder.release()

  const ahead = present.filter((one) => isTicket(one) && nameOf(one.name) < own)
  const living = ahead.filter(({ kind }) => kind === 'living socket')
  await waiter.ping()
  if (living.length > 0) assert.equal(waiter.hasSaid('granted'), false, 'granted beside a living ticket')
  for (const { name } of living) fs.rmSync(join(path, nameOf(name)))
  const { event, code } = await waiter.next('granted|rejected')
  if (event === 'rejected') {
    assert.ok(ahead.some(isHopeless) || living.some(({ name }) => /-p\d+-/.test(name)), code)
  }
  const gone = new Set(living.map(({ name }) => nameOf(name)))
  assertUntouched(contentOf(path), new Map([...before].filter(([name]) => !gone.has(name))))
  for (const one of present) fs.rmSync(pathTo(path, one), { recursive: true, force: true })
  if (event === 'rejected') await waiter.acquire(path)
  await until('only the holder is left', () => ticketsIn(path).length === 1)
  line.queue.reverse()
}

/** Of what was there, everything is as it was but for tickets, and marks of tickets, that are sockets. */
function assertUntouched(after: Map<string, string>, before: Map<string, string>): void {
  const socketsOfLock = (name: string, text: string): boolean => {
    const kind = text.startsWith('49') ? 'dead socket' : 'file'
    return isOfLock({ name, kind }) && kind === 'dead socket'
  }
  for (const [name, text] of before) {
    if (name === '.members' || socketsOfLock(name, text)) continue
    assert.equal(after.get(name), text, JSON.stringify(name))
  }
}

async function assertQueryEnds(path: string): Promise<void> {
  try {
    await slocket.query(path)
  } catch (error) {
    assert.ok(isSlocketError(error), String(error))
  }
}

function membersOf(path: string): string[] {
  return fs.existsSync(join(path, '.members')) ? fs.readdirSync(join(path, '.members')) : []
}

function assertClear({ code, message, isSlocketError: isOurs }: ClientEvent): void {
  assert.equal(isOurs, true, message)
  assert.notEqual(code, 'ERR_SLOCKET_SYSTEM', message)
  assert.doesNotMatch(message!, TERMINAL)
}

/** It may be of another kernel that runs now; or there is no number behind it. */
function isHopeless(one: Intruder): boolean {
  return isTicket(one) && (one.name.endsWith('-deadbeef') || one.name.startsWith(`2-8999999999999999999-`))
}

function isThere(content: ReadonlyMap<string, string>, { name, inMembers = false }: Intruder): boolean {
  return inMembers || content.has(nameOf(name))
}

function pathTo(path: string, { name, inMembers = false }: Intruder): Buffer {
  return Buffer.concat([Buffer.from(`${path}/${inMembers ? '.members/' : ''}`), Buffer.from(nameOf(name), 'latin1')])
}

function withoutSockets(content: Map<string, string>): [string, string][] {
  return [...content].filter(([name]) => name !== 'fifo' && name !== 'device')
}

/** Numbers as tickets have them that are made now, and some that lie ahead of the clock. */
function nearNow(): fc.Arbitrary<string> {
  const now = BigInt(nameOfTicket({ claim: EXCLUSIVE }).split('-')[1]!)
  return fc
    .bigInt({ min: -1_000_000_000n, max: 3_600_000_000_000n })
    .map((offset) => String(now + offset < 0n ? 0n : now + offset).padStart(19, '0'))
}
