// Several callers of the one session that looks, and those of them that cancel it while it is being opened.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Control } from '../../src/engines/postgres/control.ts'
import type { Session } from '../../src/engines/postgres/session.ts'
import { SlocketError } from '../../src/index.ts'

interface Opening {
  readonly signal: AbortSignal
  readonly succeed: () => void
}

/** As Session.open does: fails if it is cancelled while it connects. */
function scene(): { control: Control; openings: Opening[] } {
  const openings: Opening[] = []
  const session = {
    run: () => Promise.resolve([{ a: 'b' }]),
    onEnd: () => () => undefined,
    close: () => undefined,
  } as unknown as Session
  const open = (signal?: AbortSignal): Promise<Session> =>
    new Promise((resolve, reject) => {
      openings.push({ signal: signal!, succeed: () => resolve(session) })
      signal!.addEventListener('abort', () => reject(new SlocketError('ERR_SLOCKET_UNREACHABLE', 'cancelled')))
    })
  return { control: new Control(open, 200), openings }
}

test('a caller that cancels its query does not cancel the connection that others wait for; the last one does', async () => {
  const { control, openings } = scene()
  const [first, second] = [new AbortController(), new AbortController()]
  const looks = [control.run('SELECT', 'look', first.signal), control.run('SELECT', 'look', second.signal)]
  first.abort()
  assert.equal(openings[0]!.signal.aborted, false)
  second.abort()
  assert.equal(openings[0]!.signal.aborted, true)
  for (const look of looks) await assert.rejects(look, { code: 'ERR_SLOCKET_UNREACHABLE' })
  assert.equal(openings.length, 1)
})

test('a caller right after all others have cancelled gets its own connection', async () => {
  const { control, openings } = scene()
  const first = new AbortController()
  const cancelled = assert.rejects(control.run('SELECT', 'look', first.signal))
  first.abort()
  const look = control.run('SELECT', 'look')
  await cancelled
  assert.equal(openings.length, 2)
  openings[1]!.succeed()
  assert.equal((await look).length, 1)
})
