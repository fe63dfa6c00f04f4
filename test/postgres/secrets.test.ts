// No password is in what is thrown, shown or logged, whatever is wrong with the options or the server.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import net from 'node:net'
import { test } from 'node:test'
import { promisify } from 'node:util'

const SOURCE = new URL('../../src/', import.meta.url).href
const SECRET = 's3cret'
/** Tells all that a program can see of an engine, its errors, its diagnostics and its debugging output. */
const PROGRAM = `
import channels from 'node:diagnostics_channel'
import util from 'node:util'
const [source, options] = process.argv.slice(1)
const { slocket } = await import(new URL('index.js', source))
const { postgres } = await import(new URL('engines/postgres/index.js', source))
const show = (value) => console.log(util.inspect(value, { showHidden: true, depth: 20, getters: true }), String(value), value?.stack)
for (const name of ['wait', 'grant', 'release', 'lost']) channels.subscribe('slocket:' + name, show)
for (const each of JSON.parse(options)) {
  console.log('=== options')
  try {
    const engine = postgres(each)
    const asks = [
      () => slocket('a', { engine }),
      () => slocket('a', { engine, timeout: 200 }),
      () => slocket.try('a', { engine }),
      () => slocket.query('a', { engine }),
    ]
    for (const ask of asks) await ask().catch(show)
    show(engine)
  } catch (error) {
    show(error)
  }
}
`

async function shownOf(options: readonly unknown[]): Promise<string> {
  const { stdout, stderr } = await promisify(execFile)(
    process.execPath,
    ['--input-type=module', '-e', PROGRAM, SOURCE, JSON.stringify(options)],
    { env: { ...process.env, NODE_DEBUG: 'slocket' } },
  )
  return stdout + stderr
}

/** What the server says first to all who connect: `E`, with a code and a message. */
function refusal(code: string, message: string): Buffer {
  const body = Buffer.from(`SFATAL\0VFATAL\0C${code}\0M${message}\0\0`)
  const head = Buffer.alloc(5, 'E')
  head.writeInt32BE(body.length + 4, 1)
  return Buffer.concat([head, body])
}

test('an engine shows no password', async () => {
  // Each connection is answered by the next.
  const answers = [
    refusal('28P01', 'password authentication failed'),
    refusal('53300', 'too many'),
    Buffer.from('nonsense'),
  ]
  let connections = 0
  const server = net.createServer((socket) => {
    socket.on('error', () => {}).once('data', () => socket.end(answers[(connections += 1) % answers.length]!))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as net.AddressInfo
  const at = { host: '127.0.0.1', port, user: 'a', password: SECRET, database: 'b', heartbeat: 200 }
  const connectionString = `postgres://a:${SECRET}@127.0.0.1:${port}/b`
  const all = [
    at,
    { connectionString, heartbeat: 200 },
    { ...at, port: 1 },
    { ...at, host: 'nohost.invalid' },
    { ...at, ssl: true },
    { ...at, ssl: { ca: 'no certificate', passphrase: SECRET } },
    { ...at, pool: {} },
    { connectionString, max: 1 },
    { connectionString, password: SECRET },
    { connectionString: `${connectionString}?dbname=${SECRET}` },
    { connectionString: `${connectionString}?sslkey=/nowhere` },
    { connectionString: `postgres://a:${SECRET}@127.0.0.1:99999/b` },
    { connectionString: `postgres://a:${SECRET}%E0%A4@127.0.0.1:${port}/b` },
    { connectionString: `mysql://a:${SECRET}@127.0.0.1/b` },
  ]
  const shown = await shownOf(all)
  assert.equal(shown.split('=== options').length, all.length + 1)
  assert.ok(shown.split('Error').length > all.length)
  const found = shown.indexOf(SECRET)
  assert.equal(found, -1, shown.slice(found - 500, found + 50))
  server.close()
})
