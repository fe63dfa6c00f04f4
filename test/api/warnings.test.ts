import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { makeParent, runChild } from './run-child.ts'

/** More than these on one event are a leak to Node, which warns of it. */
const MANY = 20

describe('warnings', () => {
  const { lockPath, dispose } = makeParent()
  after(dispose)

  test('many clients in one process cause no warning about listeners', async () => {
    const { stderr, code } = await runChild(
      `const clients = Array.from({ length: ${MANY} }, () => local())
       await Promise.all(clients.map((engine) => slocket(lockPath, { engine, mode: 'shared' })))`,
      lockPath,
    )
    assert.deepEqual([stderr, code], ['', 0])
  })

  test('many waits with one signal cause no warning about listeners', async () => {
    const { stderr, code } = await runChild(
      `const controller = new AbortController()
       const { signal } = controller
       await slocket(lockPath)
       const waits = Array.from({ length: ${MANY} }, (_, index) => {
         return slocket(lockPath, { engine: index % 2 === 0 ? local() : memory(), signal, timeout: 60_000 })
       })
       for (const wait of waits) void wait.catch(() => {})
       while ((await slocket.query(lockPath)).pending.length < ${MANY / 2}) ;
       controller.abort()
       await Promise.allSettled(waits)`,
      lockPath,
    )
    assert.deepEqual([stderr, code], ['', 0])
  })
})
