/** Lists the waiters in the queues of a PostgreSQL server again and again, whatever happens to the server. */
import pg from 'pg'
import { keyOf, permitKeyOf } from '../../src/engines/postgres/key.ts'
import { PermitKeys } from '../../src/engines/postgres/permit-keys.ts'
import { pass } from '../../test/helpers/until.ts'
import type { Wait } from './order.ts'

const PAUSE_MS = 5
const CONNECT_MS = 1000
const NAMESPACE = 'slocket'
// All at one moment: the server locks its whole table of locks meanwhile.
const STATEMENT = `SELECT pid, mode, waitstart::text AS since, ((classid::bigint << 32) | objid::bigint)::text AS key
  FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1 AND NOT granted AND waitstart IS NOT NULL`

interface Row {
  readonly pid: number
  readonly mode: string
  readonly since: string
  readonly key: string
}

export class QueueWatch implements AsyncDisposable {
  readonly #url: string
  readonly #resources: ReadonlyMap<string, string>
  readonly #waits = new Map<string, Wait>()
  #isOver = false
  readonly #watching: Promise<void>

  constructor(url: string, resources: readonly string[]) {
    this.#url = url
    // With permits, those that wait for the gate of the lock: the request that has the gate can't be overtaken any more.
    const keysOf = (name: string): bigint[] => [
      keyOf(NAMESPACE, name),
      new PermitKeys(permitKeyOf(NAMESPACE, name)).gate,
    ]
    this.#resources = new Map(resources.flatMap((name) => keysOf(name).map((key) => [String(key), name] as const)))
    this.#watching = this.#watch()
  }

  /** Stops the watch. Returns the waiters that it has seen. */
  async end(): Promise<readonly Wait[]> {
    this.#isOver = true
    await this.#watching
    return [...this.#waits.values()]
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end()
  }

  /** A connection is used until the server ends. */
  async #watch(): Promise<void> {
    while (!this.#isOver) {
      const client = new pg.Client({ connectionString: this.#url, connectionTimeoutMillis: CONNECT_MS })
      client.on('error', () => {})
      try {
        await client.connect()
        while (!this.#isOver) {
          await this.#look(client)
          await pass(PAUSE_MS)
        }
      } catch {
        // The server has ended: other nemeses do that.
        await pass(PAUSE_MS)
      } finally {
        client.end().catch(() => {})
      }
    }
  }

  async #look(client: pg.Client): Promise<void> {
    const beforeAt = Number(process.hrtime.bigint())
    const { rows } = await client.query<Row>(STATEMENT)
    const afterAt = Number(process.hrtime.bigint())
    for (const { pid, mode, since, key } of rows) {
      const resource = this.#resources.get(key)
      if (resource === undefined) continue
      // The same session may wait again.
      const what = `process ${pid} of the server, since ${since}`
      const { seenAt } = this.#waits.get(what) ?? { seenAt: afterAt }
      this.#waits.set(what, { resource, isShared: mode === 'ShareLock', seenAt, stillAt: beforeAt, what })
    }
  }
}
