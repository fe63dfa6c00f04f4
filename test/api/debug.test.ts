import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { makeParent, runChild } from './run-child.ts'

describe('NODE_DEBUG=slocket', () => {
  const { lockPath, dispose } = makeParent()
  after(dispose)
  const program = `
    const lock = await slocket(lockPath)
    const next = slocket(lockPath, { engine: local() })
    while ((await slocket.query(lockPath)).pending.length === 0) ;
    await lock.release()
    await (await next).release()`

  test('prints to stderr which tickets joined and left', async () => {
    const { stdout, stderr, code } = await runChild(program, lockPath, { NODE_DEBUG: 'slocket' })
    assert.equal(stdout, '')
    assert.equal(code, 0)
    assert.ok(stderr.startsWith('SLOCKET '), stderr)
    assert.ok(stderr.includes(lockPath))
    assert.match(stderr, /member [a-z0-9]{12} listens/)
    assert.match(stderr, /ticket \d{19}-[a-z0-9]{12} joined, place 1/)
    assert.match(stderr, /ticket \d{19}-[a-z0-9]{12} joined, place 2/)
  })

  test('prints nothing if it is not set', async () => {
    const { stdout, stderr, code } = await runChild(program, lockPath)
    assert.deepEqual([stdout, stderr, code], ['', '', 0])
  })
})
