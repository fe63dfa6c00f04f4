/** What `query` shows of a ticket whose member has closed its pipe. If a process ends, Windows may close its pipe before its ticket. */
import assert from 'node:assert/strict'
import fs from 'node:fs'
import net from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { after, describe, test } from 'node:test'
import { pipeOf } from '../../src/engines/local/windows/bell.ts'
import { WindowsDirectory } from '../../src/engines/local/windows/directory.ts'
import type { Inspection } from '../../src/engines/local/windows/inspect.ts'
import { inspect } from '../../src/engines/local/windows/inspect.ts'
import type { EngineSnapshot } from '../../src/requests/engine.ts'
import { DEADLINE_MS, until } from '../helpers/until.ts'
import { DELETE_ON_CLOSE, ELSEWHERE, NO_SHARING } from './on-windows.ts'

const MEMBER = 'aaaaaaaaaaaa'
/** The process in the name of its ticket. */
const PID = 4711

describe('a query', { skip: ELSEWHERE }, () => {
  const parent = fs.mkdtempSync(path.join(os.tmpdir(), 'slocket-query-'))
  after(() => fs.rmSync(parent, { recursive: true, maxRetries: 20 }))
  let count = 0
  const newLock = (): string => {
    const lock = path.join(parent, `lock-${(count += 1)}`)
    fs.mkdirSync(lock)
    return lock
  }

  test('does not show a ticket that is closed after the pipe was: the pipe is gone', async () => {
    const lock = newLock()
    const ticket = openTicket(lock)
    const shown = query(lock, { answerMs: DEADLINE_MS })
    await connectionEnded()
    fs.closeSync(ticket)
    assert.deepEqual(pidsIn(await shown), [])
  })

  test('does not show a ticket that is closed after the pipe was: the pipe was there, and did not answer', async () => {
    const lock = newLock()
    const ticket = openTicket(lock)
    const connections: net.Socket[] = []
    const server = net.createServer((socket) => connections.push(socket)).listen(pipeOf(MEMBER))
    const shown = query(lock, { answerMs: DEADLINE_MS })
    const ended = connectionEnded()
    await until('both connections are there', () => connections.length === 2)
    server.close()
    for (const connection of connections) connection.destroy()
    await ended
    fs.closeSync(ticket)
    assert.deepEqual(pidsIn(await shown), [])
  })

  test('shows a ticket that stays open, though its member has no pipe', async () => {
    const lock = newLock()
    const ticket = openTicket(lock)
    assert.deepEqual(pidsIn(await query(lock, { answerMs: 20 })), [PID])
    fs.closeSync(ticket)
  })
})

/** A ticket of a process that has no pipe, and the descriptor that keeps it in the queue. */
function openTicket(lock: string): number {
  const number = String(process.hrtime.bigint()).padStart(19, '0')
  const flags = fs.constants.O_RDWR | fs.constants.O_CREAT | fs.constants.O_EXCL | NO_SHARING | DELETE_ON_CLOSE
  return fs.openSync(path.join(lock, `2-${number}-x-${PID}-${MEMBER}-00000000`), flags)
}

function query(lock: string, inspection: Inspection): Promise<EngineSnapshot> {
  return inspect(new WindowsDirectory(lock), () => new Map(), inspection)
}

function pidsIn({ held, pending }: EngineSnapshot): (number | undefined)[] {
  return [...held, ...pending].map(({ pid }) => pid)
}

/**
 * Opens a connection to the member's pipe. Resolves when it has failed or ended: that is reported in the order of the calls, so a query that was made
 * before knows of its own connection, too. What it does about that, it does at once.
 */
async function connectionEnded(): Promise<void> {
  const socket = net.connect(pipeOf(MEMBER))
  await new Promise<void>((resolve) => {
    for (const event of ['error', 'close']) socket.once(event, () => resolve())
  })
  await new Promise((resolve) => setImmediate(resolve))
}
