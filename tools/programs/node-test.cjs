// Follows a body.
const assert = require('node:assert/strict')
const { test } = require('node:test')

test('works', async () => assert.deepEqual(await useSlocket(), JSON.parse(process.env.EXPECTED)))

test('works while time is faked', async ({ mock }) => {
  mock.timers.enable({ apis: ['setTimeout', 'setInterval', 'setImmediate', 'Date'] })
  assert.deepEqual(await useSlocket(), JSON.parse(process.env.EXPECTED))
})
