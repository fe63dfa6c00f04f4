/** Whether a lock can be made at a path is found out without touching the path. */
import assert from 'node:assert/strict'
import fs from 'node:fs'
import net from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { afterEach, before, beforeEach, describe, mock, test } from 'node:test'
import { noteNoSockets, refuseUnusable } from '../../../src/engines/local/refusal.ts'
import { isSlocketError } from '../../../src/errors.ts'
import { makeParent } from '../../api/run-child.ts'

const NFS = 0x6969
/** A file system of which nothing is known. */
const OTHER = 0x12345

let lockPath: string
let dispose: () => void
let device = 0
const { statSync } = fs

// That this process can make sockets at all is found out once.
before(() => refuseUnusable(path.join(os.tmpdir(), 'lock')))
beforeEach(() => {
  ;({ lockPath, dispose } = makeParent())
  // What was found out is remembered for each device.
  device += 1
  const own = device
  mock.method(fs, 'statSync', (name: fs.PathLike) => Object.assign(statSync(name), { dev: -own }))
})
afterEach(() => {
  mock.restoreAll()
  dispose()
})

function sayType(type: number): void {
  mock.method(fs, 'statfsSync', () => ({ type }))
}

function refuseSockets(): () => number {
  const listen = mock.method(net.Server.prototype, 'listen', function fail(this: net.Server) {
    process.nextTick(() => this.emit('error', Object.assign(new Error('no sockets'), { code: 'EPERM' })))
    return this
  })
  return () => listen.mock.callCount()
}

function refusal(): string | undefined {
  try {
    refuseUnusable(lockPath)
    return undefined
  } catch (error) {
    if (!isSlocketError(error)) throw error
    return error.code
  } finally {
    assert.deepEqual(fs.readdirSync(path.dirname(lockPath)), [])
  }
}

describe('a directory', () => {
  test('of this machine is usable, and so is an unknown one if it can hold sockets', () => {
    assert.equal(refusal(), undefined)
    sayType(OTHER)
    assert.equal(refusal(), undefined)
  })

  test('of a network is refused', () => {
    sayType(NFS)
    assert.equal(refusal(), 'ERR_SLOCKET_NETWORK_FILE_SYSTEM')
  })

  test('that holds files but no sockets is refused; once that is known, it is not tested again', () => {
    sayType(OTHER)
    const attempts = refuseSockets()
    assert.equal(refusal(), 'ERR_SLOCKET_NO_SOCKETS')
    const first = attempts()
    assert.ok(first > 0)
    assert.equal(refusal(), 'ERR_SLOCKET_NO_SOCKETS')
    assert.equal(attempts(), first)
  })

  test('of a known file system is not tested', () => {
    const attempts = refuseSockets()
    assert.equal(refusal(), undefined)
    assert.equal(attempts(), 0)
  })

  test('in which nothing can be created is left to the engine', () => {
    sayType(OTHER)
    refuseSockets()
    mock.method(fs, 'writeFileSync', () => {
      throw Object.assign(new Error('none left'), { code: 'EMFILE' })
    })
    assert.equal(refusal(), undefined)
  })

  test('in which the engine could not use sockets is not tested again', () => {
    sayType(OTHER)
    assert.equal(refusal(), undefined)
    noteNoSockets(lockPath)
    assert.equal(refusal(), 'ERR_SLOCKET_NO_SOCKETS')
  })

  test('that is missing, or whose path is too long, is left to the engine', () => {
    sayType(OTHER)
    refuseUnusable(path.join(lockPath, 'missing', 'lock'))
    refuseUnusable('\0')
  })
})
