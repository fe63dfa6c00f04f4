import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { node, placeExample } from './folder.ts'

describe('the example of a cluster that refreshes a token once', () => {
  const place = placeExample('token-cluster')
  after(() => place.close())

  test('eight workers need the token at the same time, and it is fetched once', async () => {
    const { status, stdout, stderr } = await place.run(node('cluster.mjs'))
    assert.equal(stdout, '8 workers have token 1, after 1 request(s)\n', stderr)
    assert.equal(status, 0)
  })

  test('if the worker that fetches it is killed, another one fetches it, and all others get it', async () => {
    const { status, stdout, stderr } = await place.run(node('cluster.mjs', '--kill'))
    assert.equal(stdout, '7 workers have token 2, after 2 request(s)\n', stderr)
    assert.equal(status, 0)
  })
})
