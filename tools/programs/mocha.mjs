// Follows a body, as a module.
import { deepStrictEqual } from 'node:assert'

describe('slocket', () => {
  it('works', async () => deepStrictEqual(await useSlocket(), JSON.parse(process.env.EXPECTED)))
})
