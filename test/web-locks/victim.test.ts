// What is rare about a theft: that it comes in the moment of a grant, or to a ticket that a try or a thief has made.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after, before, describe, test } from 'node:test'
import type { Engine, Grant } from '../../src/index.ts'
import { LockManager, memory, MemoryStore } from '../../src/index.ts'
import { openNames } from '../../src/engines/local/names/index.ts'
import { EXCLUSIVE, SHARED } from '../../src/core/claim.ts'
import { waitingIn } from '../helpers/lock-directory.ts'
import { until } from '../helpers/until.ts'

const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'slocket-web-'))
after(() => fs.rmSync(directory, { recursive: true, force: true }))

const root = path.join(directory, 'root')
const store = new MemoryStore()
const engines: readonly (readonly [string, () => Engine])[] = [
  ['memory', () => memory(store)],
  ['a directory', () => openNames(root)],
]

/** The ticket that was linked last. */
let linked = ''
const { linkSync } = fs
before(() => {
  fs.linkSync = (from, to) => {
    linkSync(from, to)
    if (isTicket(path.basename(String(to)))) linked = path.basename(String(to))
  }
})
after(() => (fs.linkSync = linkSync))

/** Not a mark. */
function isTicket(name: string): boolean {
  return /-[0-9a-f]{8}$/.test(name)
}

/** Turns of the microtask queue, more than there are between a turn and its grant. */
const MOST_TURNS = 12

for (const [where, newClient] of engines) {
  describe(`over ${where}`, () => {
    test('a theft at any moment of a grant: the victim has been notified when the thief gets the lock', async () => {
      const client = newClient()
      for (let turns = 0; turns < MOST_TURNS; turns += 1) {
        const name = `moment ${turns}`
        const reader = (await client.acquire(name, { claim: SHARED, wait: true, lingerMs: 0 }))!
        const asked: string[] = []
        const asking = client
          .acquire(name, { claim: EXCLUSIVE, wait: true, lingerMs: 0, onQueued: () => asked.push('queued') })
          .then((grant) => {
            asked.push('granted')
            grant!.onLost(() => asked.push('lost'))
            return grant!
          })
        await until('it waits', () => asked.length === 1)
        await reader.release()
        for (let turn = 0; turn < turns; turn += 1) await Promise.resolve()
        const thief = (await client.acquire(name, { claim: EXCLUSIVE, wait: true, steal: true, lingerMs: 0 }))!
        await new Promise((resolve) => setImmediate(resolve))
        assert.notDeepEqual(asked, ['queued', 'granted'], `after ${turns} turns two hold, and neither knows`)
        await thief.release()
        await (await asking).release()
      }
    })

    for (const [maker, options] of [
      ['a try', { ifAvailable: true }],
      ['a thief', { steal: true }],
    ] as const) {
      test(`a request that waits by the ticket of ${maker} that becomes a victim continues to wait, and gets the lock`, async () => {
        const [locks, others] = [new LockManager({ engine: newClient() }), new LockManager({ engine: newClient() })]
        const name = `by ${maker}`
        const victim = locks.request(name, options, () => new Promise(() => {}))
        victim.catch(() => {})
        await locks.query()
        const waiting = locks.request(name, (lock) => lock?.mode)
        let release!: () => void
        const theft = others.request(name, { steal: true }, () => new Promise<void>((resolve) => (release = resolve)))
        await assert.rejects(victim, { name: 'AbortError' })
        const { held, pending } = await others.query()
        assert.deepEqual([held.length, pending.length], [1, 1])
        release()
        await theft
        assert.equal(await waiting, 'exclusive')
      })
    }
  })
}

test('of two thieves at any distance, the one in front gets the lock, and the other one is its victim', async () => {
  const request = { claim: EXCLUSIVE, wait: true, steal: true, lingerMs: 60_000 }
  const second = openNames(root)
  await (await second.acquire('warm', request))!.release()
  for (let turns = 0; turns < MOST_TURNS; turns += 1) {
    const name = `thieves ${turns}`
    const victims: string[] = []
    const steal = async (who: string, client: Engine): Promise<Grant> => {
      const grant = (await client.acquire(name, request))!
      grant.onLost(() => victims.push(who))
      return grant
    }
    // It has to make its socket first: so there are turns between its join and its theft.
    const first = steal('first', openNames(root))
    for (let turn = 0; turn < turns; turn += 1) await Promise.resolve()
    const grants = await Promise.all([first, steal('second', second)])
    await until('one thief is a victim', () => victims.length > 0)
    const { held } = await new LockManager({ engine: second }).query()
    assert.equal(held.length, 1)
    const tickets = fs.readdirSync(path.join(root, `thieves%20${turns}`)).filter((entry) => entry.endsWith('-h'))
    assert.equal(tickets.length, 1)
    assert.equal(tickets[0]!.slice(0, -'-h'.length), linked, `after ${turns} turns: ${victims.join()} was the victim`)
    for (const grant of grants) await grant.release()
  }
})

test('a request that waits by the removed ticket of a thief that was a victim itself steals nothing', async () => {
  const [locks, others] = [new LockManager({ engine: openNames(root) }), new LockManager({ engine: openNames(root) })]
  const victim = locks.request('removed', { steal: true }, () => new Promise(() => {}))
  victim.catch(() => {})
  await locks.query()
  const waiting = locks.request('removed', () => 'waited')
  let release!: () => void
  const theft = others.request('removed', { steal: true }, () => new Promise<void>((resolve) => (release = resolve)))
  theft.catch(() => {})
  await assert.rejects(victim, { name: 'AbortError' })
  const queue = path.join(root, 'removed')
  const [waits] = await until('it waits', () => (waitingIn(queue).length > 0 ? waitingIn(queue) : undefined))
  fs.rmSync(path.join(queue, waits!.name))
  await until('it has asked anew', () => waitingIn(queue).length > 0)
  assert.equal((await others.query()).held.length, 1)
  release()
  await theft
  assert.equal(await waiting, 'waited')
})

for (const hasWaiters of [false, true]) {
  test(`a theft does not follow a symbolic link in place of the ticket (${hasWaiters ? 'others wait' : 'nobody waits'} by it)`, async () => {
    const [locks, others] = [new LockManager({ engine: openNames(root) }), new LockManager({ engine: openNames(root) })]
    const outside = path.join(directory, `outside ${hasWaiters}`)
    fs.writeFileSync(outside, 'precious')
    const name = `link ${hasWaiters}`
    let loss: unknown
    locks.request(name, () => new Promise(() => {})).catch((error: unknown) => (loss = error))
    await locks.query()
    const waiting = hasWaiters ? locks.request(name, () => 'waited') : 'waited'
    await locks.query()
    const queue = path.join(root, encodeURIComponent(name))
    const ticket = path.join(queue, fs.readdirSync(queue).find(isTicket)!)
    fs.unlinkSync(ticket)
    fs.symlinkSync(outside, ticket)
    assert.equal(await others.request(name, { steal: true }, () => 'stolen'), 'stolen')
    await until('the holder is told', () => loss !== undefined)
    assert.equal(await waiting, 'waited')
    const { nlink, size } = fs.statSync(outside)
    assert.deepEqual([nlink, size], [1, 'precious'.length])
    await until('nothing is left', () => !fs.existsSync(queue))
  })
}
