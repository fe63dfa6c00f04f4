import assert from 'node:assert/strict'
import { test } from 'node:test'
import { loadBy } from '../../src/engines/redis/load-client.ts'
import { isSlocketError } from '../../src/index.ts'

const URL_OF_NOBODY = 'redis://127.0.0.1:1'

/** Only these packages are installed. */
function installed(...names: readonly string[]): (name: string) => Promise<unknown> {
  return (name) => (names.includes(name) ? import(name) : import(`${name}-that-is-missing`))
}

for (const name of ['redis', 'ioredis', 'iovalkey']) {
  test(`a URL is enough if ${name} is installed`, async () => {
    const make = await loadBy(installed(name), URL_OF_NOBODY)
    const client = make() as unknown as Record<string, unknown>
    assert.equal(typeof client['call'] === 'function', name !== 'redis')
    assert.equal(typeof client['sendCommand'], 'function')
    const { port, url } = client['options'] as { port?: number; url?: string }
    assert.ok(port === 1 || url === URL_OF_NOBODY)
    // It connects when it is told to.
    assert.notEqual(client['status'], 'connecting')
  })
}

test('without any of them, an error says what to install', async () => {
  await assert.rejects(loadBy(installed(), URL_OF_NOBODY), (error: Error) => {
    assert.ok(isSlocketError(error, 'ERR_SLOCKET_NO_CLIENT'))
    assert.match(error.message, /npm install redis/)
    return true
  })
})

test('another failure to load a client is passed on', async () => {
  const failure = new Error('broken')
  await assert.rejects(
    loadBy(() => Promise.reject(failure), URL_OF_NOBODY),
    (error) => error === failure,
  )
})
