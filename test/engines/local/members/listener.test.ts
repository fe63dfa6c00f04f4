import assert from 'node:assert/strict'
import fs from 'node:fs'
import net from 'node:net'
import os from 'node:os'
import { join } from 'node:path'
import { mock, test } from 'node:test'
import { slocket } from '../../../../src/index.ts'

test('an accept error does not remove a socket that listens only later', async () => {
  const directory = fs.mkdtempSync(join(os.tmpdir(), 'slocket-listener-'))
  const { createServer } = net
  const servers: net.Server[] = []
  const make = mock.method(net, 'createServer', () => {
    const server = createServer()
    const { listen } = server
    server.listen = ((options: net.ListenOptions) => {
      setImmediate(() => listen.call(server, options))
      return server
    }) as typeof listen
    servers.push(server)
    return server
  })
  try {
    const lock = await slocket(join(directory, 'lock'), { linger: 0 })
    const members = (): string[] => fs.readdirSync(join(directory, 'lock', '.members'))
    const before = members()
    assert.deepEqual([servers.length, before.length], [1, 1])
    servers[0]!.emit('error', Object.assign(new Error('accept EMFILE'), { code: 'EMFILE' }))
    assert.deepEqual(members(), before)
    await lock.release()
  } finally {
    make.mock.restore()
    fs.rmSync(directory, { recursive: true, force: true })
  }
})
