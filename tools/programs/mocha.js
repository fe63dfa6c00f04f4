// Follows a body: for test runners with `it`.
const { deepStrictEqual } = require('node:assert')

describe('slocket', () => {
  it('works', async () => deepStrictEqual(await useSlocket(), JSON.parse(process.env.EXPECTED)))
})
