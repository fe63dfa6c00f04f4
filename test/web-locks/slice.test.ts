import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LockManager, memory, MemoryStore } from '../../src/index.ts'

async function orderWith(slice: number): Promise<string[]> {
  const store = new MemoryStore()
  const own = new LockManager({ engine: memory(store), slice })
  const other = new LockManager({ engine: memory(store) })
  const order: string[] = []
  let othersTurn: Promise<void> | undefined
  for (const label of ['first', 'second', 'third']) {
    await own.request('name', () => {
      order.push(label)
      // Behind the first one, and before the others ask.
      othersTurn ??= other.request('name', () => void order.push('other'))
    })
  }
  await othersTurn
  return order
}

test('a client with a slice continues with its own requests, and hands over when it has none', async () => {
  assert.deepEqual(await orderWith(60_000), ['first', 'second', 'third', 'other'])
  assert.deepEqual(await orderWith(0), ['first', 'other', 'second', 'third'])
})

test('shared requests ignore the slice', async () => {
  const manager = new LockManager({ engine: memory(), slice: 10 })
  assert.equal(await manager.request('name', { mode: 'shared' }, () => 1), 1)
})

test('a lock with a kept ticket can be stolen', async () => {
  const store = new MemoryStore()
  const own = new LockManager({ engine: memory(store), slice: 60_000 })
  const thief = new LockManager({ engine: memory(store) })
  await own.request('name', () => {})
  assert.equal(await thief.request('name', { steal: true }, () => 1), 1)
  assert.equal(await own.request('name', () => 2), 2)
})

test('slice is from 0 to 60,000 ms', () => {
  for (const slice of [-1, 60_001, NaN]) assert.throws(() => new LockManager({ slice }), RangeError)
  assert.throws(() => new LockManager({ slice: '1' as unknown as number }), TypeError)
})
