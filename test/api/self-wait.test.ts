// A call of slocket() that waits for what its own process has held all the time may wait for itself: a warning says so.
import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { makeParent, runChild } from './run-child.ts'

const { lockPath, dispose } = makeParent()
after(dispose)

/** Waits by several locks at once: each part takes some seconds. Prints the warnings, and then what the locks are called. */
const PROGRAM = `
  const warnings = []
  process.on('warning', (warning) => warnings.push(warning))
  const at = (name) => lockPath + '-' + name
  const pass = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
  const controller = new AbortController()
  const { signal } = controller
  const waits = []
  const wait = (name, options = {}) => waits.push(slocket(at(name), { signal, ...options }).then((lock) => lock.release()).catch(() => {}))

  // Those that it is to be warned of.
  const held = [await slocket(at('self'), { label: 'the holder' })]
  wait('self', { label: 'the waiter' })
  wait('self')
  held.push(await slocket(at('permits'), { permits: 2 }), await slocket(at('permits'), { permits: 2 }))
  wait('permits', { permits: 2 })
  held.push(await slocket(at('shared'), { mode: 'shared' }))
  wait('shared', { engine: local() })
  while ((await slocket.query(at('shared'))).pending.length === 0) ;
  wait('shared', { mode: 'shared' })
  held.push(await slocket(at('with')))
  waits.push(slocket.with(at('with'), { signal }, () => {}).catch(() => {}))
  for (const engine of [memory(), memory()]) {
    held.push(await slocket('memory', { engine }))
    waits.push(slocket('memory', { engine, signal }).catch(() => {}))
  }

  // Those that it is not to be warned of.
  held.push(await slocket(at('timeout')))
  wait('timeout', { timeout: 60_000 })
  held.push(await slocket(at('permit of another'), { permits: 2, engine: local() }), await slocket(at('permit of another'), { permits: 2 }))
  wait('permit of another', { permits: 2 })
  held.push(await slocket(at('client'), { engine: local() }))
  wait('client')
  held.push(await slocket(at('ended')))
  waits.push(slocket(at('ended'), { timeout: 1000 }).catch(() => {}))
  const locks = new LockManager({ root: at('names') })
  waits.push(locks.request('one', () => pass(7000)), locks.request('one', () => {}))
  const queue = Array.from({ length: 12 }, async () => {
    const lock = await slocket(at('queue'))
    await pass(600)
    await lock.release()
  })

  await Promise.all(queue)
  while (warnings.length < 6) await pass(100)
  controller.abort()
  for (const lock of held) await lock.release()
  await Promise.all(waits)
  console.log(JSON.stringify(warnings.map(({ name, code, message, detail }) => ({ name, code, message, detail }))))`

interface Warned {
  readonly name: string
  readonly code: string
  readonly message: string
  readonly detail: string
}

describe('a call of slocket() that waits for its own process', () => {
  test('warns after five seconds, once for each lock, and not for other waits', async () => {
    const { stdout, stderr, code } = await runChild(PROGRAM, lockPath)
    assert.equal(code, 0, stderr)
    const warnings = JSON.parse(stdout) as Warned[]
    const names = warnings.map(({ message }) => /for the lock '(?:.*-)?(.*?)'/.exec(message)![1]!)
    assert.deepEqual(names.toSorted(), ['memory', 'memory', 'permits', 'self', 'shared', 'with'])
    for (const warning of warnings) assert.deepEqual([warning.name, warning.code], ['Warning', 'SLOCKET_SELF_WAIT'])
    const { message, detail } = warnings.find((warning) => warning.message.includes('-self'))!
    assert.match(
      message,
      /^a call of slocket\(\) \('the waiter'\) waits for .* this process \('the holder'\) has held for \d+ s/,
    )
    assert.match(detail, /timeout/)
  })

  test('keeps its process alive only while it waits', async () => {
    const { stderr, code } = await runChild(
      `const held = await slocket(lockPath)
       const waiting = slocket(lockPath)
       await slocket.query(lockPath)
       await held.release()
       await (await waiting).release()`,
      lockPath,
    )
    assert.deepEqual([stderr, code], ['', 0])
  })
})
