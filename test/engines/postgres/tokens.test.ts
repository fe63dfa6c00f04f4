// Tokens, and a server that crashes before the tokens that it has returned are on its disk.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import pg from 'pg'
import { postgres } from '../../../src/engines/postgres/index.ts'
import { isSlocketError, slocket } from '../../../src/index.ts'
import { until } from '../../helpers/until.ts'
import { Servers } from '../helpers/servers.ts'

const NEXT = "SELECT nextval('public.slocket_token') AS token, pg_backend_pid() AS pid"

test('a token that was returned does not repeat after a crash, even if another session had yet to write it', async () => {
  await using servers = await Servers.start('postgres')
  const url = servers.addressOf('postgres')
  const engine = postgres({ connectionString: url })
  await (await slocket('a', { engine })).release()
  // A session between its token and its commit: it has written the next 32 values, and waits for the disk.
  const other = new pg.Client({ connectionString: url })
  other.on('error', () => {})
  await other.connect()
  // After that, the first value is written ahead again.
  await other.query('CHECKPOINT')
  await other.query('BEGIN')
  const { rows } = await other.query<{ token: string; pid: number }>(NEXT)
  const lock = await slocket('a', { engine })
  assert.equal(lock.token, BigInt(rows[0]!.token) + 1n, 'it took one of those')
  // The server ends all others then, and recovers.
  process.kill(rows[0]!.pid, 'SIGKILL')
  await until('the holder is told', () => lock.signal.aborted)
  const again = await until('the server answers', () =>
    slocket('a', { engine }).catch((error: unknown) => {
      assert.ok(isSlocketError(error), String(error))
      return undefined
    }),
  )
  assert.ok(again.token > lock.token, `${again.token} after ${lock.token}`)
  await again.release()
})
