import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { node, placeExample } from './folder.ts'

describe('the example of a pool of workers with permits', () => {
  const place = placeExample('worker-pool')
  after(() => place.close())

  for (const [what, parameters, done] of [
    ['all six are done', [], 6],
    ['if one is killed while it computes, the other five are done', ['--kill'], 5],
  ] as const) {
    test(`${what}, and at most three compute at the same time`, async () => {
      const { status, stdout, stderr } = await place.run(node('pool.mjs', ...parameters))
      assert.match(
        stdout,
        new RegExp(`^${done} of 6 workers are done\nat most [123] computed at the same time\n$`),
        stderr,
      )
      assert.equal(status, 0)
    })
  }
})
