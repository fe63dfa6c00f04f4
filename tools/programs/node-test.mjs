// Follows a body.
import assert from 'node:assert/strict'
import { test } from 'node:test'

test('works', async () => assert.deepEqual(await useSlocket(), JSON.parse(process.env.EXPECTED)))

test('works while time is faked', async ({ mock }) => {
  mock.timers.enable({ apis: ['setTimeout', 'setInterval', 'setImmediate', 'Date'] })
  assert.deepEqual(await useSlocket(), JSON.parse(process.env.EXPECTED))
})
