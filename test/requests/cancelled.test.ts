import assert from 'node:assert/strict'
import { test } from 'node:test'
import v8 from 'node:v8'
import vm from 'node:vm'
import { RequestScene } from './scene.ts'
import { settle } from './scripted-queue.ts'

const COUNT = 10_000
/** Some are kept until there are enough of them to be worth clearing away. */
const FEW = 100

const skip = 'bun' in process.versions && 'it collects the garbage of V8'

test('requests that are cancelled while the lock is held do not stay in memory', { skip }, async () => {
  const { queue, acquire } = new RequestScene()
  const held = (await acquire())!
  const signals: WeakRef<AbortSignal>[] = []
  for (let count = 0; count < COUNT; count += 1) {
    const controller = new AbortController()
    signals.push(new WeakRef(controller.signal))
    const cancelled = assert.rejects(acquire({ signal: controller.signal }))
    await Promise.resolve()
    await Promise.resolve()
    controller.abort()
    await cancelled
  }
  // What a WeakRef has given out, or was made for, is kept until the turn of the event loop ends.
  await settle()
  collectGarbage()
  const kept = signals.filter((signal) => signal.deref() !== undefined).length
  assert.ok(kept < FEW, `${kept} of ${COUNT} are kept`)
  assert.equal(queue.tickets.length, 1)
  await held.release()
  assert.deepEqual(queue.tickets, [])
})

function collectGarbage(): void {
  v8.setFlagsFromString('--expose-gc')
  const collect = vm.runInNewContext('gc') as () => void
  collect()
}
