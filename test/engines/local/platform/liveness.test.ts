import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import net from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { after, describe, test } from 'node:test'
import type { QueueDirectory } from '../../../../src/engines/local/directory.ts'
import { kernelId, UNKNOWN_KERNEL } from '../../../../src/engines/local/platform/kernel.ts'
import { isListeningElsewhere, proofOfRefusal } from '../../../../src/engines/local/platform/liveness.ts'
import type { ListedTicket } from '../../../../src/engines/local/ticket.ts'
import { isSlocketError } from '../../../../src/errors.ts'

const LIVENESS = new URL('../../../../src/engines/local/platform/liveness.js', import.meta.url).href
const KERNEL = new URL('../../../../src/engines/local/platform/kernel.js', import.meta.url).href

test('on Linux, a refused connection proves death, whatever process ids say', () => {
  assert.deepEqual(ask({}), { ofThere: true, ofGone: true })
})

test('a process without /proc does not know its kernel: its tickets are judged only by their sockets', () => {
  const touchedNow = {
    hasOtherNames: () => false,
    touchedMs: () => Date.now(),
    path: '/lock',
    hasLinks: true,
  } as unknown as QueueDirectory
  const ticket = { pid: spawnSync('true').pid, member: 'a'.repeat(12), name: 'ticket' }
  assert.equal(proofOfRefusal(touchedNow, { ...ticket, kernel: UNKNOWN_KERNEL } as ListedTicket), 'dead')
  const other = kernelId() === '12345678' ? '87654321' : '12345678'
  assert.throws(
    () => proofOfRefusal(touchedNow, { ...ticket, kernel: other } as ListedTicket),
    (error) => isSlocketError(error, 'ERR_SLOCKET_OTHER_KERNEL'),
  )
})

describe('a member whose socket refuses', () => {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'slocket-liveness-'))
  after(() => fs.rmSync(directory, { recursive: true, force: true }))
  const [known, unknown] = [{ hasLinks: true }, { hasLinks: false }] as unknown as [QueueDirectory, QueueDirectory]
  const gone = spawnSync('true').pid

  test('listens elsewhere if the kernel lists its socket, with the name that it was bound to', () => {
    for (const [bound, asked] of [
      [`a1b2c3d4e5f6.${process.pid}`, `a1b2c3d4e5f6.${process.pid}`],
      [`b1b2c3d4e5f6.${process.pid}.7`, `b1b2c3d4e5f6.${process.pid}.7`],
    ] as const) {
      const server = net.createServer().listen({ path: path.join(directory, bound), exclusive: true })
      fs.renameSync(path.join(directory, bound), path.join(directory, 'renamed'))
      for (const place of [known, unknown]) assert.equal(isListeningElsewhere(place, asked), true)
      for (const other of [`a1b2c3d4e5f7.${process.pid}`, `b1b2c3d4e5f6.${process.pid}`, `${asked}.1`])
        if (other !== asked) assert.equal(isListeningElsewhere(known, other), false)
      server.close()
      assert.equal(isListeningElsewhere(unknown, asked), false)
    }
  })

  test('is dead if only its accepted connections are left, which have its name too', async () => {
    const file = `c1b2c3d4e5f6.${process.pid}`
    const server = net.createServer().listen({ path: path.join(directory, file), exclusive: true })
    const accepted = once(server, 'connection')
    const client = net.connect(path.join(directory, file))
    const [socket] = (await accepted) as [net.Socket]
    server.close()
    assert.match(fs.readFileSync('/proc/net/unix', 'utf8'), new RegExp(file))
    assert.equal(isListeningElsewhere(unknown, file), false)
    socket.destroy()
    client.destroy()
  })

  test('is dead at once if its process is gone, on a known file system; otherwise the kernel is asked', (context) => {
    const read = context.mock.method(fs, 'readFileSync')
    assert.equal(isListeningElsewhere(known, `d1b2c3d4e5f6.${gone}`), false)
    assert.equal(read.mock.callCount(), 0)
    assert.equal(isListeningElsewhere(unknown, `d1b2c3d4e5f6.${gone}`), false)
    assert.equal(read.mock.callCount(), 1)
  })

  test("is not checked if the name is not a member's", () => {
    for (const file of ['', '.', 'a1b2c3d4e5f6.(', 'short.1', `a1b2c3d4e5f6.${process.pid}.x`])
      assert.equal(isListeningElsewhere(unknown, file), false)
  })
})

test('in Bun, which reports a full backlog as a refusal, the process must be gone as well', () => {
  assert.deepEqual(ask({ versions: { ...process.versions, bun: '1.4.5' } }), { ofThere: false, ofGone: true })
})

test('on other kernels, which may refuse when a backlog is full, the process must be gone as well', () => {
  assert.deepEqual(ask({ platform: 'sunos' }), { ofThere: false, ofGone: true })
})

/** Asks a process of which `faked` is said: does a refusal prove the death of a ticket of a process that is there, of one that is not? */
function ask(faked: Partial<Record<'versions' | 'platform', unknown>>): unknown {
  const { pid: gone } = spawnSync('true')
  const code = `
    for (const [name, value] of Object.entries(${JSON.stringify(faked)})) Object.defineProperty(process, name, { value })
    const { proofOfRefusal } = await import(${JSON.stringify(LIVENESS)})
    const { kernelId } = await import(${JSON.stringify(KERNEL)})
    const isDead = (pid) => proofOfRefusal({ hasOtherNames: () => true }, { pid, kernel: kernelId() }) === 'dead'
    console.log(JSON.stringify({ ofThere: isDead(process.pid), ofGone: isDead(${gone}) }))`
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', code], { encoding: 'utf8' })
  assert.equal(stderr, '')
  return JSON.parse(stdout)
}
