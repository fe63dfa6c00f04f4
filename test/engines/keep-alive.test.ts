/** A process that holds and has nothing else to do ends; the next one has the lock. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { slocket } from '../../src/index.ts'
import { etcd } from '../../src/engines/etcd/index.ts'
import { postgres } from '../../src/engines/postgres/index.ts'
import { redis } from '../../src/engines/redis/index.ts'
import { addressOf } from './helpers/servers.ts'

const LIMIT_MS = 30_000
const PROGRAM = `
const [url, kind, options, name] = process.argv.slice(1)
const { slocket } = await import(new URL('index.js', url))
const { [kind]: open } = await import(new URL('engines/' + kind + '/index.js', url))
const lock = await slocket(name, { engine: open(JSON.parse(options)) })
console.log(lock.held)
`
const SOURCE = new URL('../../src/', import.meta.url).href

for (const [kind, options, engine] of [
  ['etcd', { endpoints: [addressOf('etcd')], ttl: 5000 }, etcd({ endpoints: [addressOf('etcd')], ttl: 5000 })],
  ['postgres', { connectionString: addressOf('postgres') }, postgres({ connectionString: addressOf('postgres') })],
  ['redis', { url: addressOf('redis'), ttl: 2000 }, redis({ url: addressOf('redis'), ttl: 2000 })],
] as const) {
  test(`${kind}: a held lock does not keep the process alive`, async () => {
    const name = `held to the end ${process.pid}`
    const parameters = ['--input-type=module', '-e', PROGRAM, SOURCE, kind, JSON.stringify(options), name]
    const { stdout } = await promisify(execFile)(process.execPath, parameters, { timeout: LIMIT_MS })
    assert.equal(stdout, 'true\n')
    await (await slocket(name, { engine, timeout: LIMIT_MS })).release()
  })
}
