import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import net from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import { SocketOwners } from '../../src/cli/find-locks.ts'
import { memberFile } from '../../src/engines/local/members/member.ts'
import { formatTicketName, ticketId } from '../../src/engines/local/ticket-name.ts'

test('the process of a ticket is listed first among those that have its socket open, whatever their ids', async () => {
  const lock = fs.mkdtempSync(path.join(os.tmpdir(), 'slocket-owners-'))
  const program = path.join(lock, 'program.cjs')
  fs.writeFileSync(program, `process.on('message', (_, server) => { global.kept = server; process.send('has it') })`)
  const child = fork(program)
  const pid = child.pid!
  try {
    // Each of the two is the process that the ticket names, once.
    for (const [holder, other] of [
      [pid, process.pid],
      [process.pid, pid],
    ] as const) {
      const [member, number] = ['a1b2c3d4e5f6', String(holder).padStart(19, '0')]
      const socket = path.join(lock, memberFile(member, holder))
      const server = net.createServer().listen({ path: socket, exclusive: true })
      child.send('take it', server)
      await once(child, 'message')
      const kernel = '0'.repeat(8)
      const parts = {
        id: ticketId(number, member),
        number,
        claim: { kind: 'exclusive' },
        pid: holder,
        member,
        kernel,
      } as const
      fs.linkSync(socket, path.join(lock, formatTicketName(parts)))
      assert.deepEqual(
        new SocketOwners().of(lock, holder).map((owner) => owner.pid),
        [holder, other],
      )
      server.close()
    }
  } finally {
    child.kill('SIGKILL')
    fs.rmSync(lock, { recursive: true })
  }
})
