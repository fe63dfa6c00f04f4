/** A process that has nothing else to do stays alive while it acquires or releases, and ends while it holds; the next one has the lock. */
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
/** What a process does that has nothing else to do. */
const CALLS = {
  'an exclusive lock': `await (await slocket(name, { engine })).release()`,
  'a shared lock': `await (await slocket(name, { engine, mode: 'shared' })).release()`,
  permits: `await (await slocket(name, { engine, permits: 3, take: 2 })).release()`,
  'a try': `await (await slocket.try(name, { engine })).release()`,
  'a downgrade': `await slocket.with(name, { engine }, async (lock) => {
    if (engine.capabilities.downgrade) await lock.downgrade()
  })`,
  'a theft': `if (engine.capabilities.steal) await new LockManager({ engine }).request(name, { steal: true }, () => {})`,
  queries: `await slocket.query(name, { engine }); await new LockManager({ engine }).query()`,
}
const CALLER = `
const [url, kind, options, name] = process.argv.slice(1)
const { slocket, LockManager } = await import(new URL('index.js', url))
const { [kind]: open } = await import(new URL('engines/' + kind + '/index.js', url))
const engine = open(JSON.parse(options))
// Not awaited: Node would report that.
const call = async () => { CALL }
call().then(() => console.log('done'))
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

  test(`${kind}: calls keep the process alive`, async () => {
    await Promise.all(
      Object.entries(CALLS).map(async ([what, call]) => {
        const name = `${what} ${process.pid}`
        const program = CALLER.replace('CALL', call)
        const parameters = ['--input-type=module', '-e', program, SOURCE, kind, JSON.stringify(options), name]
        const { stdout } = await promisify(execFile)(process.execPath, parameters, { timeout: LIMIT_MS })
        assert.equal(stdout, 'done\n', what)
      }),
    )
  })
}
