// Permits: what befalls those that hold them, those that are next, and those behind, on a real server.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, test } from 'node:test'
import pg from 'pg'
import { lockTransaction, postgres } from '../../../src/engines/postgres/index.ts'
import { keyOf, permitKeyOf, whereKey } from '../../../src/engines/postgres/key.ts'
import { PermitKeys } from '../../../src/engines/postgres/permit-keys.ts'
import type { Engine, Lock } from '../../../src/index.ts'
import { isSlocketError, slocket } from '../../../src/index.ts'
import { DEADLINE_MS, pass, until, within } from '../../helpers/until.ts'
import { Pooler, withoutPgBouncer } from '../helpers/pooler.ts'
import { addressOf, Servers } from '../helpers/servers.ts'
import { administer, terminate } from './admin.ts'
import { Child } from './child.ts'

/** Not shorter: on a busy machine a server may take some time to answer. */
const HEARTBEAT_MS = 1000
/** The longest: a look comes once in that time. */
const NEVER_MS = 60_000
const namespace = `permits-${randomBytes(8).toString('hex')}`
let names = 0

const open = (url: string, heartbeat: number = HEARTBEAT_MS): Engine =>
  postgres({ connectionString: url, namespace, heartbeat })
const fresh = (): string => `permits-${(names += 1)}-${randomBytes(4).toString('hex')}`
const isLost = (error: unknown): boolean => isSlocketError(error, 'ERR_SLOCKET_LOST')
const isUnreachable = (error: unknown): boolean => isSlocketError(error, 'ERR_SLOCKET_UNREACHABLE')
const isMismatch = (error: unknown): boolean => isSlocketError(error, 'ERR_SLOCKET_CLAIM_MISMATCH')

describe('permits on PostgreSQL', () => {
  const url = addressOf('postgres')
  const child = (name: string, permits: number, take = 1, heartbeat = HEARTBEAT_MS): Child =>
    new Child(url, namespace, name, heartbeat, '', JSON.stringify({ permits, take }))

  async function untilPending(name: string, engine: Engine, ...labels: readonly string[]): Promise<void> {
    await until(`${labels.join(', ')} wait`, async () => {
      const { pending } = await slocket.query(name, { engine })
      return pending.map(({ label }) => label).join() === labels.join()
    })
  }

  /** Until a request waits for room, and so many for the gate. */
  async function untilAtGate(name: string, behind: number): Promise<void> {
    const { gate, waiting } = new PermitKeys(permitKeyOf(namespace, name))
    await until(`one waits for room, ${behind} behind it`, async () => {
      const atGate = await administer(url, `SELECT FROM pg_locks WHERE granted AND ${whereKey(waiting)}`)
      const others = await administer(url, `SELECT FROM pg_locks WHERE NOT granted AND ${whereKey(gate)}`)
      return atGate.length === 1 && others.length === behind
    })
  }

  async function assertFree(name: string, engine: Engine): Promise<void> {
    await until('nobody is there', async () => {
      const { held, pending } = await slocket.query(name, { engine })
      return held.length + pending.length === 0
    })
    await (await slocket.try(name, { engine }))!.release()
    const { gate, waiting, present } = new PermitKeys(permitKeyOf(namespace, name))
    const where = [gate, waiting, present, keyOf(namespace, name)].map((key) => `(${whereKey(key)})`).join(' OR ')
    await until('no key is held', async () => {
      const rows = await administer(url, `SELECT FROM pg_locks WHERE ${where}`)
      return rows.length === 0
    })
  }

  test('kill -9 of one that holds permits: the next one has them, and the order stays', async () => {
    const [name, engine] = [fresh(), open(url)]
    await using holder = child(name, 3, 2)
    await holder.says('held')
    const other = await slocket(name, { engine, permits: 3 })
    const granted: string[] = []
    const ask = async (label: string, take: number): Promise<void> => {
      const lock = await slocket(name, { engine, permits: 3, take, label })
      granted.push(label)
      await lock.release()
    }
    const first = ask('first', 2)
    await untilPending(name, engine, 'first')
    const second = ask('second', 1)
    await untilPending(name, engine, 'first', 'second')
    await holder[Symbol.asyncDispose]()
    await within(Promise.all([first, second]), () => new Error(`granted: ${granted.join(', ')}`))
    assert.deepEqual(granted, ['first', 'second'])
    other.assertHeld()
    await other.release()
    await assertFree(name, engine)
  })

  test('kill -9 of the one that is next, and of one behind it: those behind go on', async () => {
    const [name, engine] = [fresh(), open(url)]
    const holder = await slocket(name, { engine, permits: 1 })
    await using next = child(name, 1)
    await untilPending(name, engine, 'child')
    await using behind = child(name, 1)
    await untilPending(name, engine, 'child', 'child')
    const last = slocket(name, { engine, permits: 1, label: 'last' })
    await untilPending(name, engine, 'child', 'child', 'last')
    await next[Symbol.asyncDispose]()
    await behind[Symbol.asyncDispose]()
    await untilPending(name, engine, 'last')
    await holder.release()
    await (await last).release()
    await assertFree(name, engine)
  })

  test('a release wakes the one that is next: it does not wait for the next look', async () => {
    const name = fresh()
    assert.ok(NEVER_MS >= DEADLINE_MS)
    const [a, b] = [open(url, NEVER_MS), open(url, NEVER_MS)]
    const held = [await slocket(name, { engine: a, permits: 2 }), await slocket(name, { engine: b, permits: 2 })]
    for (let round = 0; round < 30; round += 1) {
      let next: Lock | undefined
      const waiting = slocket(name, { engine: round % 2 === 0 ? a : b, permits: 2, label: 'next' }).then(
        (lock) => (next = lock),
      )
      // Half of them release while it is on its way to wait.
      if (round % 3 > 0) await untilPending(name, a, 'next')
      else await pass(round % 5)
      await held.splice(round % 2, 1)[0]!.release()
      held.push(await until('it is granted', () => next, DEADLINE_MS / 2))
      await waiting
    }
    for (const lock of held) await lock.release()
    await assertFree(name, a)
  })

  test('permits that are given back because the request was cancelled wake the next one, too', async () => {
    const name = fresh()
    const [a, b] = [open(url, NEVER_MS), open(url, NEVER_MS)]
    let given = 0
    for (let round = 0; round < 60; round += 1) {
      const holder = await slocket(name, { engine: a, permits: 1 })
      const controller = new AbortController()
      const quitter = slocket(name, { engine: a, permits: 1, label: 'quitter', signal: controller.signal }).then(
        (lock) => lock,
        () => undefined,
      )
      await untilPending(name, b, 'quitter')
      let next: Lock | undefined
      const waiting = slocket(name, { engine: b, permits: 1, label: 'next' }).then((lock) => (next = lock))
      await untilPending(name, b, 'quitter', 'next')
      const releasing = holder.release()
      await pass(round % 4)
      controller.abort()
      await releasing
      const lock = await quitter
      if (lock !== undefined) given += 1
      await lock?.release()
      await until('the next one is granted', () => next, DEADLINE_MS / 2)
      await (await waiting).release()
    }
    assert.ok(given < 60, 'none was cancelled in time')
    await assertFree(name, a)
  })

  for (const [what, end] of [
    ['ends the session', 'pg_terminate_backend'],
    ['cancels a statement', 'pg_cancel_backend'],
  ] as const)
    test(`an operator ${what} of the one behind the next: it rejects, and the others stay as they are`, async () => {
      const [name, engine] = [fresh(), open(url)]
      const holder = await slocket(name, { engine, permits: 1 })
      const next = slocket(name, { engine, permits: 1, label: 'next' })
      await untilPending(name, engine, 'next')
      const rejected = assert.rejects(slocket(name, { engine, permits: 1, label: `of ${name}` }), isUnreachable)
      await untilPending(name, engine, 'next', `of ${name}`)
      assert.equal(await terminate(url, `of ${name}`, end), 1)
      await rejected
      holder.assertHeld()
      await holder.release()
      await (await next).release()
      await assertFree(name, engine)
    })

  test('an operator ends the session of the one that is next: it waits anew, or rejects, and those behind go on', async () => {
    const [name, engine] = [fresh(), open(url)]
    const holder = await slocket(name, { engine, permits: 1 })
    const ended = slocket(name, { engine, permits: 1, label: `next of ${name}` }).then(
      (lock) => lock,
      (error: unknown) => {
        assert.ok(isUnreachable(error), String(error))
        return undefined
      },
    )
    await untilPending(name, engine, `next of ${name}`)
    const behind = slocket(name, { engine: open(url), permits: 1, label: 'behind' })
    await untilPending(name, engine, `next of ${name}`, 'behind')
    assert.equal(await terminate(url, `next of ${name}`), 1)
    await holder.release()
    await (await behind).release()
    await (await ended)?.release()
    await assertFree(name, engine)
  })

  for (const when of ['is next', 'is behind the next, and becomes the next'] as const)
    test(`a process that ${when} while it is stopped does not keep the others out; it waits anew when it goes on`, async () => {
      const [name, engine] = [fresh(), open(url)]
      const holder = await slocket(name, { engine, permits: 1 })
      const controller = new AbortController()
      const ahead: string[] = []
      let quitting: Promise<unknown> | undefined
      if (when !== 'is next') {
        ahead.push('quitter')
        const quitter = slocket(name, { engine, permits: 1, label: 'quitter', signal: controller.signal })
        quitting = assert.rejects(quitter)
        await untilPending(name, engine, ...ahead)
      }
      await using next = child(name, 1)
      await untilPending(name, engine, ...ahead, 'child')
      // Long enough that it waits anew if its connection is cut.
      await pass(2 * HEARTBEAT_MS)
      const behind = slocket(name, { engine, permits: 1, label: 'behind' })
      await untilPending(name, engine, ...ahead, 'child', 'behind')
      await next.stop()
      controller.abort()
      await quitting
      await untilAtGate(name, 1)
      await holder.release()
      const lock = await within(behind, () => new Error('the one behind it has not got its permit'))
      next.continue()
      await untilPending(name, engine, 'child')
      await lock.release()
      await next.says('held')
      next.tell('release')
      await next.says('done release')
      await assertFree(name, engine)
    })

  test("an operator ends a holder's session: it is told, and the next one has the permit", async () => {
    const [name, engine] = [fresh(), open(url)]
    const lock = await slocket(name, { engine, permits: 1, label: `holder of ${name}` })
    const waiting = slocket(name, { engine, permits: 1, label: 'next' })
    await untilPending(name, engine, 'next')
    assert.equal(await terminate(url, `holder of ${name}`), 1)
    await until('the holder is told', () => lock.signal.aborted)
    assert.ok(isLost(lock.signal.reason))
    assert.throws(() => lock.assertHeld(), isLost)
    const next = await waiting
    assert.ok(next.token > lock.token)
    await next.release()
    await assertFree(name, engine)
  })

  for (const signal of ['SIGINT', 'SIGKILL'] as const)
    test(`the server ends by ${signal}: holders are told, and those that wait reject`, async () => {
      await using servers = await Servers.start('postgres')
      const own = servers.addressOf('postgres')
      const [name, engine] = [fresh(), open(own)]
      const lock = await slocket(name, { engine, permits: 1 })
      const all = Promise.all(
        ['next', 'behind'].map(async (label) => {
          await assert.rejects(slocket(name, { engine, permits: 1, label, timeout: DEADLINE_MS / 2 }))
        }),
      )
      await until('they wait', async () => (await slocket.query(name, { engine })).pending.length === 2)
      await servers.signal('postgres', signal)
      await until('the holder is told', () => lock.signal.aborted)
      assert.ok(isLost(lock.signal.reason))
      await all
    })

  test('300 timeouts at the moment of a grant: each rejects or owns, and nothing stays', async () => {
    const [name, a, b] = [fresh(), open(url), open(url)]
    let timedOut = 0
    for (let round = 0; round < 300; round += 1) {
      const held = await slocket(name, { engine: a, permits: 2, take: 2 })
      const waiting = slocket(name, { engine: b, permits: 2, timeout: 1 + (round % 6) }).then(
        (lock) => lock,
        (error: unknown) => {
          assert.ok(isSlocketError(error, 'ERR_SLOCKET_TIMEOUT'), String(error))
          return undefined
        },
      )
      await pass(round % 7)
      await held.release()
      const lock = await waiting
      if (lock === undefined) timedOut += 1
      else await lock.release()
      assert.deepEqual(await slocket.query(name, { engine: a }), { held: [], pending: [] })
    }
    assert.ok(timedOut > 0 && timedOut < 300, `${timedOut} of 300 have timed out`)
    await assertFree(name, a)
  })

  test('tries of free permits are not refused, whoever asks at that moment', async () => {
    const [name, a, b] = [fresh(), open(url), open(url)]
    for (let round = 0; round < 20; round += 1) {
      const engines = [a, b, a, b, a, b]
      const tried = engines.map((engine) => slocket.try(name, { engine, permits: 12 }))
      const asked = engines.map((engine) => slocket(name, { engine, permits: 12 }))
      const locks = await Promise.all([...tried, ...asked])
      assert.ok(
        locks.every((lock) => lock !== null),
        `in round ${round}, ${locks.filter((lock) => lock === null).length} were refused`,
      )
      await Promise.all(locks.map((lock) => lock.release()))
    }
    await assertFree(name, a)
  })

  test('a try is refused while another request waits, even if there would be room for it', async () => {
    const [name, engine] = [fresh(), open(url)]
    const holder = await slocket(name, { engine, permits: 3 })
    const many = slocket(name, { engine, permits: 3, take: 3, label: 'many' })
    await untilPending(name, engine, 'many')
    assert.equal(await slocket.try(name, { engine: open(url), permits: 3 }), null)
    await holder.release()
    await (await many).release()
    await assertFree(name, engine)
  })

  test('shared and exclusive locks of other kinds of client do not come beside permits, nor permits beside them', async () => {
    const [name, engine] = [fresh(), open(url)]
    const client = new pg.Client({ connectionString: url })
    await client.connect()
    try {
      const permit = await slocket(name, { engine, permits: 2 })
      for (const mode of ['shared', 'exclusive'] as const) {
        await client.query('BEGIN')
        for (const wait of [true, false])
          await assert.rejects(lockTransaction(client, name, { mode, wait, namespace }), isMismatch)
        await client.query('ROLLBACK')
      }
      permit.assertHeld()
      await permit.release()
      for (const mode of ['shared', 'exclusive'] as const) {
        await client.query('BEGIN')
        assert.equal(await lockTransaction(client, name, { mode, namespace }), true)
        await assert.rejects(slocket(name, { engine, permits: 2 }), isMismatch)
        await assert.rejects(slocket.try(name, { engine, permits: 2 }), isMismatch)
        await client.query('COMMIT')
      }
    } finally {
      await client.end()
    }
    await assertFree(name, engine)
  })

  test(
    'through a pooler there are no permits, and locks through it see them',
    { skip: withoutPgBouncer() },
    async () => {
      const pooler = await Pooler.start(url, 'transaction', 20)
      try {
        const [name, engine] = [fresh(), open(url)]
        const pooled = postgres({ connectionString: pooler.url, namespace, pooler: 'transaction' })
        assert.equal(pooled.capabilities.permits, false)
        await assert.rejects(slocket(name, { engine: pooled, permits: 2 }), TypeError)
        const permit = await slocket(name, { engine, permits: 2 })
        for (const mode of ['shared', 'exclusive'] as const) {
          await assert.rejects(slocket(name, { engine: pooled, mode }), isMismatch)
          await assert.rejects(slocket.try(name, { engine: pooled, mode }), isMismatch)
        }
        await permit.release()
        const shared = await slocket(name, { engine: pooled, mode: 'shared' })
        await assert.rejects(slocket(name, { engine, permits: 2 }), isMismatch)
        await shared.release()
        await assertFree(name, engine)
      } finally {
        await pooler.end()
      }
    },
  )

  test('shared requests and requests for permits at one moment never hold together', async () => {
    const [name, a, b] = [fresh(), open(url), open(url)]
    let [shared, permits, refused] = [0, 0, 0]
    const use = async (round: number): Promise<void> => {
      const isShared = round % 2 === 0
      const options = isShared ? ({ mode: 'shared' } as const) : { permits: 3 }
      try {
        const lock = await slocket(name, { engine: round % 3 === 0 ? a : b, ...options })
        if (isShared) shared += 1
        else permits += 1
        assert.ok(shared === 0 || permits === 0, `${shared} share, ${permits} have permits`)
        await pass(round % 3)
        if (isShared) shared -= 1
        else permits -= 1
        await lock.release()
      } catch (error) {
        assert.ok(isMismatch(error), String(error))
        refused += 1
      }
    }
    for (let round = 0; round < 60; round += 1)
      await Promise.all([0, 1, 2, 3].map((index) => use(round * 4 + index + round)))
    assert.ok(refused > 0 && refused < 240, `${refused} of 240 were refused`)
    await assertFree(name, a)
  })

  test('the one that is next is shown to wait since it asked, not since it is the next', async () => {
    const [name, engine] = [fresh(), open(url)]
    const holder = await slocket(name, { engine, permits: 1 })
    const quitting = new AbortController()
    const quitter = slocket(name, { engine, permits: 1, label: 'quitter', signal: quitting.signal })
    await untilPending(name, engine, 'quitter')
    const next = slocket(name, { engine, permits: 1, label: 'next' })
    await untilPending(name, engine, 'quitter', 'next')
    await untilAtGate(name, 1)
    const asked = (await slocket.query(name, { engine })).pending[1]!.since
    const waitedMs = 4000
    await pass(waitedMs)
    quitting.abort()
    await assert.rejects(quitter)
    await untilAtGate(name, 0)
    // Until it has told that by its second look, it is that of its first statement.
    for (let look = 0; look < 3; look += 1) {
      const { since } = (await slocket.query(name, { engine: open(url) })).pending[0]!
      assert.ok(Math.abs(since!.getTime() - asked!.getTime()) < 0.75 * waitedMs, since!.toISOString())
      await pass(HEARTBEAT_MS / 2)
    }
    await holder.release()
    await (await next).release()
  })

  test('a holder of permits learns that another request waits', async () => {
    const [name, engine] = [fresh(), open(url)]
    const holder = await slocket(name, { engine, permits: 2, take: 2 })
    let isWanted = false
    holder.wanted.addEventListener('abort', () => (isWanted = true))
    const next = slocket(name, { engine: open(url), permits: 2 })
    await until('the holder is told', () => isWanted)
    await holder.release()
    await (await next).release()
  })

  test('a query of all locks shows permits; the one that is next holds no snapshot of the server', async () => {
    const [name, engine] = [fresh(), open(url)]
    const holder = await slocket(name, { engine, permits: 5, take: 3, label: 'holder' })
    const next = slocket(name, { engine, permits: 4, take: 2, label: 'next' })
    await untilPending(name, engine, 'next')
    const behind = slocket(name, { engine, permits: 5, label: 'behind' })
    await untilPending(name, engine, 'next', 'behind')
    for (const looking of [engine, open(url)]) {
      const { held, pending } = (await looking.queryAll!()).get(name)!
      assert.deepEqual(
        [...held, ...pending].map(({ claim, label }) => [label, claim]),
        [
          ['holder', { kind: 'permit', permits: 5, take: 3 }],
          ['next', { kind: 'permit', permits: 4, take: 2 }],
          ['behind', { kind: 'permit', permits: 5, take: 1 }],
        ],
      )
      assert.ok([...held, ...pending].every(({ sinceMs }) => Math.abs(Date.now() - sinceMs!) < DEADLINE_MS))
    }
    await until('it is idle', async () => {
      const rows = await administer(
        url,
        `SELECT FROM pg_stat_activity WHERE query LIKE '/*slocket %"next"%${name}%' AND state = 'idle' AND backend_xmin IS NULL`,
      )
      return rows.length === 1
    })
    await holder.release()
    for (const lock of await Promise.all([next, behind])) await lock.release()
    await assertFree(name, engine)
  })
})
