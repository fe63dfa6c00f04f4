import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Spin } from '../../../src/engines/local/spin.ts'

test('a spin ends with the departure of the holder', () => {
  let looks = 0
  assert.equal(
    new Spin().until(() => (looks += 1) === 3),
    true,
  )
  assert.equal(looks, 3)
})

test('a spin ends if the holder stays; after some of them, only a few waits begin with one', () => {
  const spin = new Spin()
  const spun: number[] = []
  for (let wait = 0; wait < 40; wait += 1) {
    let looks = 0
    assert.equal(
      spin.until(() => {
        looks += 1
        return false
      }),
      false,
    )
    if (looks > 0) spun.push(wait)
  }
  assert.deepEqual(spun, [0, 1, 2, 3, 16, 32])
})

test('a spin that is not in vain makes the next waits spin again', () => {
  const spin = new Spin()
  for (let wait = 0; wait < 16; wait += 1) spin.until(() => false)
  assert.equal(
    spin.until(() => true),
    true,
  )
  let looks = 0
  spin.until(() => {
    looks += 1
    return false
  })
  assert.ok(looks > 0)
})
