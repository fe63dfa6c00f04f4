import assert from 'node:assert/strict'
import fs from 'node:fs'
import net from 'node:net'
import os from 'node:os'
import path from 'node:path'
import type { TestContext } from 'node:test'
import { after, describe, test } from 'node:test'
import { probeSocket } from '../../../../src/engines/local/platform/probe-socket.ts'
import { SocketAddresses } from '../../../../src/engines/local/platform/socket-addresses.ts'
import { isSlocketError } from '../../../../src/errors.ts'

/** What sun_path holds, without its end. */
const MOST = process.platform === 'linux' ? 107 : 103

describe('addresses of sockets', () => {
  const parent = fs.mkdtempSync(path.join(os.tmpdir(), 'slocket-short-'))
  after(() => fs.rmSync(parent, { recursive: true, force: true }))

  test('a socket is at its path, and reachable, whatever the length of the path', async () => {
    for (const bytes of [60, MOST - 1, MOST, MOST + 1, MOST + 2, 150, 250, 600]) {
      const file = padded(bytes)
      const directory = path.dirname(file)
      const addresses = new SocketAddresses(directory)
      const address = addresses.of(path.basename(file))
      assert.ok(Buffer.byteLength(address) <= MOST, address)
      const server = net.createServer()
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject)
        server.listen(address, resolve)
      })
      assert.deepEqual(fs.readdirSync(directory), [path.basename(file)], `${bytes} bytes`)
      await new Promise<void>((resolve, reject) => {
        const socket = net.connect(address, () => {
          socket.destroy()
          resolve()
        })
        socket.once('error', reject)
      })
      await new Promise((resolve) => server.close(resolve))
      addresses.close()
    }
  })

  test('a short path, counted in bytes, is its own address', () => {
    const directory = path.join(parent, 'ö'.repeat(10))
    fs.mkdirSync(directory)
    const addresses = new SocketAddresses(directory)
    const fits = 'n'.repeat(MOST - Buffer.byteLength(`${directory}/`))
    assert.equal(addresses.of(fits), `${directory}/${fits}`)
    assert.notEqual(addresses.of(`${fits}n`), `${directory}/${fits}n`)
    addresses.close()
  })

  test('a name that is still too long is an error, and is never truncated', () => {
    const addresses = new SocketAddresses(parent)
    assert.throws(
      () => addresses.of('n'.repeat(200)),
      (error) => isSlocketError(error, 'ERR_SLOCKET_PATH_TOO_LONG'),
    )
    addresses.close()
  })

  test('closing releases what was opened, and may be repeated', () => {
    const directory = path.dirname(padded(300))
    const descriptors = (): number => (fs.existsSync('/proc/self/fd') ? fs.readdirSync('/proc/self/fd').length : 0)
    const before = descriptors()
    const addresses = new SocketAddresses(directory)
    const first = addresses.of('name')
    assert.equal(addresses.of('name'), first)
    addresses.close()
    addresses.close()
    assert.equal(descriptors(), before)
  })

  test('without /proc, the address is a link, which is gone when the event loop continues', async (context) => {
    const temporary = path.join(parent, 't')
    fs.mkdirSync(temporary)
    hideProc(context)
    context.mock.method(os, 'tmpdir', () => temporary)
    for (const bytes of [MOST + 1, 600]) {
      const file = padded(bytes)
      const addresses = new SocketAddresses(path.dirname(file))
      const server = net.createServer().listen({ path: addresses.of(path.basename(file)), exclusive: true })
      assert.ok(server.listening)
      assert.equal(fs.readdirSync(temporary).length, 1)
      await Promise.resolve()
      assert.deepEqual(fs.readdirSync(temporary), [])
      assert.deepEqual(fs.readdirSync(path.dirname(file)), [path.basename(file)])
      assert.equal(await probeSocket(addresses.of(path.basename(file))), undefined)
      server.close()
      fs.rmSync(file, { force: true })
      await Promise.resolve()
      assert.deepEqual(fs.readdirSync(temporary), [])
    }
  })

  test('without /proc and a short directory for temporary files, a long path is an error that says why', async (context) => {
    const directory = path.dirname(padded(300))
    hideProc(context)
    for (const temporary of [path.join(parent, 'missing'), directory]) {
      const mocked = context.mock.method(os, 'tmpdir', () => temporary)
      assert.throws(
        () => new SocketAddresses(directory).of('name'),
        (error) => isSlocketError(error, 'ERR_SLOCKET_PATH_TOO_LONG') && error.message.includes('mount /proc'),
      )
      mocked.mock.restore()
    }
    await Promise.resolve()
    assert.deepEqual(fs.readdirSync(directory), [])
  })

  function hideProc(context: TestContext): void {
    const { existsSync } = fs
    context.mock.method(fs, 'existsSync', (file: string) => !file.startsWith('/proc') && existsSync(file))
  }

  /** A path of exactly so many bytes, whose directory exists and is empty. */
  function padded(bytes: number): string {
    let directory = fs.mkdtempSync(path.join(parent, 'd-'))
    const name = 'socket'
    for (;;) {
      const missing = bytes - Buffer.byteLength(`${directory}/${name}`)
      assert.ok(missing >= 0, `${directory} is too long for ${bytes} bytes`)
      if (missing <= 50) return path.join(directory, `${name}${'s'.repeat(missing)}`)
      directory = path.join(directory, 'd'.repeat(Math.min(40, missing - 2)))
      fs.mkdirSync(directory)
    }
  }
})
