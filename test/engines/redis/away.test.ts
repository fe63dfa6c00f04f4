// The server goes away for good, while this process holds a lock by connections of the engine's own.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { Servers } from '../helpers/servers.ts'

const LIMIT_MS = 60_000
const PROGRAM = `
const [url, server, pid] = process.argv.slice(1)
const { slocket } = await import(new URL('index.js', url))
const { redis } = await import(new URL('engines/redis/index.js', url))
const lock = await slocket('held', { engine: redis({ url: server, ttl: 2000 }) })
// While the connection for notifications is being opened.
process.kill(Number(pid), 'SIGKILL')
console.log(lock.held)
process.on('exit', () => console.log(lock.held))
`
const SOURCE = new URL('../../../src/', import.meta.url).href

test('a process whose server is gone ends, at the latest when its lock is lost', async () => {
  await using servers = await Servers.start('redis')
  const parameters = [SOURCE, servers.addressOf('redis'), String(servers.pidOf('redis'))]
  const command = ['--input-type=module', '-e', PROGRAM, ...parameters]
  const { stdout } = await promisify(execFile)(process.execPath, command, { timeout: LIMIT_MS })
  // If it could not begin to connect, nothing keeps it alive until then.
  assert.match(stdout, /^true\n(true|false)\n$/)
})
