import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import fs from 'node:fs'
import net from 'node:net'
import os from 'node:os'
import path from 'node:path'
import type { TestContext } from 'node:test'
import { describe, test } from 'node:test'
import { Connection } from '../../../../src/engines/local/wire/connection.ts'
import { formatWake } from '../../../../src/engines/local/wire/frames.ts'
import { DEADLINE_MS, until } from '../../../helpers/until.ts'

const WAKE = formatWake(`${'1'.repeat(19)}-${'a'.repeat(12)}`)

describe('a connection', () => {
  test('to a member that reads nothing ends before its notifications fill the memory', async (context) => {
    const { connection, stranger, closed } = await connect(context)
    stranger.pause()
    let sent = 0
    // As often as a lock is handed over in a day or so; 38 bytes each.
    for (; closed() === 0 && sent < 100_000; sent += 1) {
      connection.send(WAKE)
      if (sent % 100 === 0) await new Promise((resolve) => setImmediate(resolve))
    }
    assert.equal(closed(), 1, `after ${sent} wake-ups`)
  })

  test('tells the sender that the other end was killed, before any event does', async (context) => {
    const code = (socket: string): string => `require('node:net').connect(${JSON.stringify(socket)}).resume()`
    let child: ChildProcess | undefined
    const { connection, closed } = await accept(context, (socket) => {
      child = spawn(process.execPath, ['-e', code(socket)], { stdio: 'inherit' })
    })
    assert.equal(connection.send(WAKE), true)
    // In one tick, as in an event loop that is blocked.
    child!.kill('SIGKILL')
    const start = performance.now()
    while (connection.send(WAKE)) assert.ok(performance.now() - start < DEADLINE_MS, 'is not told')
    assert.equal(closed(), 0)
    await until('it is closed', () => closed() === 1)
    assert.equal(connection.send(WAKE), false)
  })

  test('on which a second query is sent is closed, and answers only the first', async (context) => {
    const { stranger, closed } = await connect(context)
    let text = ''
    stranger.on('data', (chunk) => (text += String(chunk)))
    stranger.write('who\nwho\n')
    await until('it is closed', () => closed() === 1)
    await until('all is read', () => stranger.destroyed)
    assert.equal(text, 'party {}\n')
  })

  test('without a hello is closed after ten silent seconds', async (context) => {
    const { closed } = await connect(context)
    const start = performance.now()
    await until('it is closed', () => closed() === 1)
    assert.ok(performance.now() - start > 9000)
  })
})

/** An accepted connection, with the other end. */
async function connect(
  context: TestContext,
): Promise<{ connection: Connection; stranger: net.Socket; closed: () => number }> {
  let stranger: net.Socket | undefined
  const accepted = await accept(context, (socket) => (stranger = net.connect(socket).on('error', () => {})))
  context.after(() => stranger!.destroy())
  return { ...accepted, stranger: stranger! }
}

/** The connection that `connectTo` has made to a socket. */
async function accept(
  context: TestContext,
  connectTo: (socket: string) => void,
): Promise<{ connection: Connection; closed: () => number }> {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'slocket-connection-'))
  const socket = path.join(directory, 'socket')
  let closed = 0
  const owner = {
    id: 'b'.repeat(12),
    onHello: () => {},
    onAnswer: () => {},
    onWake: () => {},
    onClosed: () => void (closed += 1),
    describe: () => '{}',
  }
  let connection: Connection | undefined
  const server = net.createServer((accepted) => (connection = new Connection(accepted, owner)))
  await new Promise<void>((resolve) => server.listen(socket, resolve))
  context.after(() => {
    server.close()
    fs.rmSync(directory, { recursive: true })
  })
  connectTo(socket)
  await until('it is connected', () => connection !== undefined)
  return { connection: connection!, closed: () => closed }
}
