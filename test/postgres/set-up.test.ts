import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Row, SqlClient, SqlStatement } from '../../src/engines/postgres/client.ts'
import { parsePostgresOptions } from '../../src/engines/postgres/options.ts'
import { Session } from '../../src/engines/postgres/session.ts'
import { setUp } from '../../src/engines/postgres/set-up.ts'
import { isSlocketError } from '../../src/index.ts'

/** Answers as a server in good order, but for statements that `refuses` picks, which fail with an SQLSTATE. */
class Server implements SqlClient {
  readonly processID = 7
  readonly connectionParameters = {}
  readonly asked: string[] = []
  readonly connection = {
    flush: () => undefined,
    stream: { once: () => undefined, ref: () => undefined, unref: () => undefined, destroy: () => undefined } as never,
  }
  readonly #refusals: readonly (readonly [part: string, state: string])[]
  readonly #pid: string

  constructor(refusals: readonly (readonly [part: string, state: string])[], pid = '7') {
    this.#refusals = refusals
    this.#pid = pid
  }
  connect(): Promise<void> {
    return Promise.resolve()
  }
  query({ text }: SqlStatement): Promise<{ rows: Row[] }> {
    this.asked.push(text)
    const refusal = this.#refusals.find(([part]) => text.includes(part))
    if (refusal !== undefined) return Promise.reject(Object.assign(new Error('refused'), { code: refusal[1] }))
    return Promise.resolve({ rows: [{ pid: this.#pid, version: '150000', standby: 'false', usable: 'true' }] })
  }
  end(): Promise<void> {
    return Promise.resolve()
  }
  on(): void {}
}

async function setUpAt(server: Server): Promise<Session> {
  const session = await Session.open({
    make: () => server,
    patienceMs: 1000,
    now: () => performance.now(),
    prelude: '',
  })
  await setUp(session, parsePostgresOptions({}))
  return session
}

test('a server that cannot detect lost connections of waiters (Windows) is accepted', async () => {
  const session = await setUpAt(new Server([['client_connection_check_interval', '22023']]))
  assert.equal(session.hasEnded, false)
})

test('any other failure there is an error', async () => {
  const server = new Server([['client_connection_check_interval', '57P01']])
  await assert.rejects(setUpAt(server), (error) => isSlocketError(error, 'ERR_SLOCKET_UNREACHABLE'))
})

test('a server that hides what is on its disk (Aurora) is accepted', async () => {
  const session = await setUpAt(new Server([['pg_current_wal_flush_lsn', '55000']]))
  assert.equal(session.hasEnded, false)
  assert.equal(session.canFlush, false)
})

test('behind a pooler nothing is set', async () => {
  const server = new Server([], '8')
  await assert.rejects(setUpAt(server), (error) => isSlocketError(error, 'ERR_SLOCKET_POOLER'))
  assert.equal(server.asked.length, 1)
})
