// Servers, roles and settings of all kinds, and what is in front of them.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import net from 'node:net'
import { after, before, describe, test } from 'node:test'
import pg from 'pg'
import { postgres } from '../../../src/engines/postgres/index.ts'
import { keyOf, whereKey } from '../../../src/engines/postgres/key.ts'
import { isSlocketError, slocket } from '../../../src/index.ts'
import { pass, until } from '../../helpers/until.ts'
import { Pooler, withoutPgBouncer } from '../helpers/pooler.ts'
import { addressOf } from '../helpers/servers.ts'
import { administer } from './admin.ts'

const HEARTBEAT_MS = 400
const id = randomBytes(6).toString('hex')

describe('PostgreSQL servers as users have them', () => {
  const url = addressOf('postgres')
  const namespace = `server-${id}`
  const roles: string[] = []

  async function role(name: string, ...statements: readonly string[]): Promise<string> {
    const full = `slocket_${name}_${id}`
    roles.push(full)
    await administer(url, `CREATE ROLE ${full} LOGIN`, ...statements.map((text) => text.replaceAll('WHO', full)))
    return url.replace(/\/\/[^@]*@/, `//${full}@`)
  }

  // The sequence that is used by default, which roles get privileges for.
  before(async () => {
    await (await slocket('a', { engine: postgres({ connectionString: url, namespace }) })).release()
  })

  after(async () => {
    for (const name of roles) await administer(url, `DROP OWNED BY ${name}`, `DROP ROLE ${name}`)
    await administer(
      url,
      `DROP SEQUENCE IF EXISTS public.race_${id}, public.own_${id}, public.cached_${id}, public.unlogged_${id}`,
    )
  })

  test('without the privilege to create the sequence, the error says what an administrator must do', async () => {
    const own = await role('poor')
    const sequence = `public.own_${id}`
    const engine = postgres({ connectionString: own, namespace, sequence })
    let message = ''
    await assert.rejects(slocket('a', { engine }), (error: Error) => {
      message = error.message
      return isSlocketError(error, 'ERR_SLOCKET_PERMISSION')
    })
    const [, create] = /(CREATE SEQUENCE [^;]+);/.exec(message)!
    await administer(url, create!)
    await assert.rejects(slocket('a', { engine }), (error) => isSlocketError(error, 'ERR_SLOCKET_PERMISSION'))
    const [, grant] = /(GRANT USAGE [^;]+ TO )/.exec(message)!
    await administer(url, `${grant}${roles.at(-1)}`)
    await (await slocket('a', { engine })).release()
  })

  test('many clients create the sequence at the same time, and there is one', async () => {
    const engines = Array.from({ length: 12 }, () =>
      postgres({ connectionString: url, namespace, sequence: `public.race_${id}` }),
    )
    const locks = await Promise.all(engines.map((engine, index) => slocket(`race-${index}`, { engine })))
    assert.equal(new Set(locks.map(({ token }) => token)).size, 12)
    for (const lock of locks) await lock.release()
  })

  test('a sequence with a cache is an error', async () => {
    await administer(url, `CREATE SEQUENCE public.cached_${id} CACHE 10`)
    const engine = postgres({ connectionString: url, namespace, sequence: `public.cached_${id}` })
    await assert.rejects(slocket('a', { engine }), (error) => isSlocketError(error, 'ERR_SLOCKET_SYSTEM'))
  })

  test('an unlogged sequence, which a crash sets back, is an error', async (t) => {
    const [row] = await administer(url, "SELECT current_setting('server_version_num') AS version")
    if (Number(row!['version']) < 150_000) return t.skip('there are none before PostgreSQL 15')
    await administer(url, `CREATE UNLOGGED SEQUENCE public.unlogged_${id}`)
    const engine = postgres({ connectionString: url, namespace, sequence: `public.unlogged_${id}` })
    await assert.rejects(slocket('a', { engine }), (error) => isSlocketError(error, 'ERR_SLOCKET_SYSTEM'))
  })

  test("timeouts in a role's settings end neither waits nor holds", async () => {
    const own = await role(
      'hasty',
      'GRANT CREATE ON SCHEMA public TO WHO',
      'GRANT USAGE ON SEQUENCE public.slocket_token TO WHO',
      "ALTER ROLE WHO SET statement_timeout = '100ms'",
      "ALTER ROLE WHO SET lock_timeout = '100ms'",
      // In force until the session's first statement has arrived, so not as short as the others.
      "ALTER ROLE WHO SET idle_session_timeout = '1s'",
      'ALTER ROLE WHO SET default_transaction_read_only = on',
    )
    const engine = postgres({ connectionString: own, namespace })
    const lock = await slocket('hasty', { engine })
    const waiting = slocket('hasty', { engine })
    await pass(1500)
    lock.assertHeld()
    await lock.release()
    await (await waiting).release()
  })

  test('another role sees that a lock is held and waited for, without an invented process or time', async () => {
    const own = await role('nosy', 'GRANT USAGE ON SEQUENCE public.slocket_token TO WHO')
    const [engine, nosy] = [url, own].map((connectionString) => postgres({ connectionString, namespace }))
    const lock = await slocket('seen', { engine, label: 'mine' })
    const waiting = slocket('seen', { engine })
    await until('it waits', async () => (await slocket.query('seen', { engine })).pending.length === 1)
    const { held, pending } = await slocket.query('seen', { engine: nosy })
    assert.deepEqual(held, [{ mode: 'exclusive', self: false }])
    // The server shows everybody since when one waits.
    assert.deepEqual(pending, [{ mode: 'exclusive', since: pending[0]!.since, self: false }])
    assert.ok(pending[0]!.since instanceof Date)
    await assert.rejects(slocket('seen', { engine: nosy, timeout: 100 }), ({ message }: Error) => {
      assert.match(message, /held by a process that cannot be seen; 1 waiting ahead$/)
      return true
    })
    await lock.release()
    await (await waiting).release()
  })

  test('a session that holds by itself, without this engine, is shown without an invented time', async () => {
    const client = new pg.Client({ connectionString: url })
    await client.connect()
    await client.query(`SELECT pg_advisory_lock(${keyOf(namespace, 'by hand')})`)
    const { held } = await slocket.query('by hand', { engine: postgres({ connectionString: url, namespace }) })
    assert.deepEqual(held, [{ mode: 'exclusive', self: false }])
    await client.end()
  })

  test('a server that falls silent: holders are notified, waiters are rejected, and nothing hangs', async () => {
    await using line = await Line.to(url)
    const engine = postgres({ connectionString: line.url, namespace, heartbeat: HEARTBEAT_MS })
    const lock = await slocket('silent', { engine })
    const waiting = assert.rejects(slocket('silent', { engine }), (error) =>
      isSlocketError(error, 'ERR_SLOCKET_UNREACHABLE'),
    )
    await until('it waits', async () => (await slocket.query('silent', { engine })).pending.length === 1)
    const idle = await slocket('idle', { engine })
    const controller = new AbortController()
    const cancelled = slocket('silent', { engine, signal: controller.signal })
    line.cut()
    controller.abort()
    await assert.rejects(cancelled, (error) => error === controller.signal.reason)
    await until('the holder is told', () => lock.signal.aborted)
    await assert.rejects(idle.release())
    await waiting
    await assert.rejects(slocket('other', { engine }), (error) => isSlocketError(error, 'ERR_SLOCKET_UNREACHABLE'))
  })

  test('an idle connection that has died silently: the next lock uses another connection', async () => {
    await using line = await Line.to(url)
    const engine = postgres({ connectionString: line.url, namespace, heartbeat: HEARTBEAT_MS })
    const linger = 60_000
    // Three connections that are kept.
    const kept = await Promise.all(['stale-1', 'stale-2', 'stale-3'].map((name) => slocket(name, { engine, linger })))
    for (const lock of kept) await lock.release()
    await pass(2 * HEARTBEAT_MS)
    // Maybe the one by which the engine looks, too.
    assert.ok(line.forget() >= 3)
    const lock = await slocket('stale-1', { engine, linger })
    assert.ok(lock.token > kept[2]!.token)
    assert.equal(line.carried, 1, 'it came by the one new connection')
    // And no other connection of that age is used.
    const other = await slocket.try('stale-2', { engine, linger })
    await other!.release()
    await lock.release()
  })

  test('the smallest and largest 64-bit numbers are locks, and are found', async () => {
    const client = new pg.Client({ connectionString: url })
    await client.connect()
    for (const key of [-(2n ** 63n), 2n ** 63n - 1n, -1n, 0n, -(2n ** 31n), 2n ** 32n]) {
      await client.query(`SELECT pg_advisory_lock(${key})`)
      const { rows } = await client.query(`SELECT FROM pg_locks WHERE pid = pg_backend_pid() AND ${whereKey(key)}`)
      assert.equal(rows.length, 1, String(key))
      const released = await client.query<{ unlocked: string }>({
        text: 'SELECT pg_advisory_unlock($1)::text AS unlocked',
        values: [String(key)],
      })
      assert.equal(released.rows[0]!.unlocked, 'true', String(key))
    }
    await client.end()
  })

  for (const [mode, size] of [
    ['transaction', 1],
    ['transaction', 2],
    ['statement', 2],
    ['session', 2],
  ] as const) {
    test(`PgBouncer (${mode}, ${size} connections) is an error`, { skip: withoutPgBouncer() }, async () => {
      await using pooler = await Pooler.start(url, mode, size)
      for (let count = 0; count < 3; count += 1) {
        const engine = postgres({ connectionString: pooler.url, namespace })
        const asking = [1, 2, 3].map((number) => slocket(`pooled-${number}`, { engine }))
        for (const { status, reason } of (await Promise.allSettled(asking)) as PromiseRejectedResult[]) {
          assert.equal(status, 'rejected')
          assert.ok(isSlocketError(reason, 'ERR_SLOCKET_POOLER'), String(reason))
        }
      }
    })
  }
})

/** A line to the server that can be cut, so that both ends hear nothing of it. */
class Line implements AsyncDisposable {
  readonly url: string
  /** How many connections have begun, since it forgot the others. */
  carried: number = 0
  readonly #server: net.Server
  readonly #sockets: Set<net.Socket>

  private constructor(url: string, server: net.Server, sockets: Set<net.Socket>) {
    this.url = url
    this.#server = server
    this.#sockets = sockets
  }

  static async to(url: string): Promise<Line> {
    const { hostname, port, username, pathname } = new URL(url)
    const sockets = new Set<net.Socket>()
    const server = net.createServer((near) => {
      line.carried += 1
      const far = net.connect(Number(port), hostname)
      for (const socket of [near, far]) {
        sockets.add(socket)
        socket.on('error', () => {})
        socket.on('close', () => {
          near.destroy()
          far.destroy()
        })
      }
      near.pipe(far).pipe(near)
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const own = (server.address() as net.AddressInfo).port
    const line = new Line(`postgres://${username}@127.0.0.1:${own}${pathname}`, server, sockets)
    return line
  }

  /** Acts like a router that was switched off and on: existing connections are dropped silently, new ones work. Returns the number of dropped connections. */
  forget(): number {
    const pairs = this.#sockets.size / 2
    for (const socket of this.#sockets) {
      socket.unpipe()
      socket.pause()
    }
    this.carried = 0
    return pairs
  }

  cut(): void {
    for (const socket of this.#sockets) {
      socket.unpipe()
      socket.pause()
    }
    this.#server.removeAllListeners('connection')
    this.#server.on('connection', (socket: net.Socket) => this.#sockets.add(socket))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    await new Promise((resolve) => this.#server.close(resolve))
  }
}
