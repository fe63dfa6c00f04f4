// Servers that never answer, and processes that have something else to do, or nothing at all.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import net from 'node:net'
import { describe, test } from 'node:test'
import { promisify } from 'node:util'
import { DEADLINE_MS } from '../../helpers/until.ts'
import { reasonWithoutIslands } from '../helpers/island.ts'

const SOURCE = new URL('../../../src/', import.meta.url).href
/** Whoever keeps the process alive for one patience, two and a half of them, keeps it beyond the deadline. */
const LONG_HEARTBEAT_MS = 60_000
const SHORT_HEARTBEAT_MS = 200
const PROGRAM = `
const [url, connectionString, heartbeat, body] = process.argv.slice(1)
const { slocket } = await import(new URL('index.js', url))
const { postgres } = await import(new URL('engines/postgres/index.js', url))
const engine = postgres({ connectionString, heartbeat: Number(heartbeat) })
const controller = new AbortController()
setTimeout(() => controller.abort('cancelled'), 100)
const { signal } = controller
const said = await eval(body).then(() => 'granted', (error) => error.code ?? error)
console.log(said)
`
/** The server's messages to a client that needs no password: it is connected, served by process 7, and may send queries. */
const COME_IN = Buffer.from('520000000800000000 4b0000000c0000000700000001 5a0000000549'.replaceAll(' ', ''), 'hex')

async function run(port: number, heartbeatMs: number, body: string, wrapper: readonly string[] = []): Promise<string> {
  const [command, ...parameters] = [...wrapper, process.execPath]
  parameters.push(
    '--input-type=module',
    '-e',
    PROGRAM,
    SOURCE,
    `postgres://a@127.0.0.1:${port}/a`,
    String(heartbeatMs),
    body,
  )
  const { stdout } = await promisify(execFile)(command, parameters, { timeout: DEADLINE_MS })
  return stdout
}

/** Accepts, says `greeting`, and nothing more. */
async function withSilentServer(greeting: Buffer, body: (port: number) => Promise<void>): Promise<void> {
  const sockets = new Set<net.Socket>()
  const server = net.createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.once('data', () => socket.write(greeting))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  try {
    await body((server.address() as net.AddressInfo).port)
  } finally {
    for (const socket of sockets) socket.destroy()
    await new Promise((resolve) => server.close(resolve))
  }
}

describe('a PostgreSQL server that accepts and is silent', () => {
  for (const [when, greeting] of [
    ['from the beginning', Buffer.alloc(0)],
    ['once one is in', COME_IN],
  ] as const) {
    for (const [how, body, said] of [
      ['a time-out', "slocket('a', { engine, timeout: 100 })", 'ERR_SLOCKET_TIMEOUT'],
      ['an abort', "slocket('a', { engine, signal })", 'cancelled'],
      ['an abort of a query', "engine.query('a', signal)", 'cancelled'],
    ] as const) {
      test(`${when}: a cancelled request (${how}) no longer keeps the process alive`, async () => {
        await withSilentServer(greeting, async (port) => {
          assert.equal(await run(port, LONG_HEARTBEAT_MS, body), `${said}\n`)
        })
      })
    }

    for (const body of ["slocket('a', { engine })", "slocket.try('a', { engine })", "slocket.query('a', { engine })"]) {
      test(`${when}: ${body} keeps the process alive until it gets an answer`, async () => {
        await withSilentServer(greeting, async (port) => {
          assert.equal(await run(port, SHORT_HEARTBEAT_MS, body), 'ERR_SLOCKET_UNREACHABLE\n')
        })
      })
    }
  }
})

test(
  'an address whose packets are dropped: a cancelled request no longer keeps the process alive',
  { skip: reasonWithoutIslands() },
  async () => {
    const drop = 'table inet cut { chain input { type filter hook input priority 0; policy drop; }; }'
    const cutOff = ['unshare', '-n', 'sh', '-c', `ip link set lo up && nft '${drop}' && exec "$@"`, 'sh']
    const body = "slocket('a', { engine, timeout: 100 })"
    assert.equal(await run(5432, LONG_HEARTBEAT_MS, body, cutOff), 'ERR_SLOCKET_TIMEOUT\n')
  },
)
