// TLS and users, on servers of this test's own.
import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import net from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { after, before, describe, test } from 'node:test'
import { promisify } from 'node:util'
import { etcd } from '../../../src/engines/etcd/index.ts'
import { isSlocketError, slocket } from '../../../src/index.ts'
import { until } from '../../helpers/until.ts'

const run = promisify(execFile)
const credentials = { username: 'locker', password: 'secret' }

let directory: string
let server: ChildProcess
let endpoint: string
let tls: { ca: Buffer; cert: Buffer; key: Buffer }

before(async () => {
  directory = fs.mkdtempSync(path.join(fs.existsSync('/dev/shm') ? '/dev/shm' : os.tmpdir(), 'slocket-access-'))
  const at = (name: string): string => path.join(directory, name)
  const openssl = async (...parameters: readonly string[]): Promise<void> => void (await run('openssl', parameters))
  await openssl(
    'req',
    '-x509',
    '-newkey',
    'rsa:2048',
    '-nodes',
    '-days',
    '2',
    '-subj',
    '/CN=authority',
    '-keyout',
    at('ca.key'),
    '-out',
    at('ca.pem'),
  )
  fs.writeFileSync(at('names'), 'subjectAltName=IP:127.0.0.1')
  for (const name of ['server', 'client']) {
    await openssl(
      'req',
      '-newkey',
      'rsa:2048',
      '-nodes',
      '-subj',
      `/CN=${name}`,
      '-keyout',
      at(`${name}.key`),
      '-out',
      at(`${name}.csr`),
    )
    await openssl(
      'x509',
      '-req',
      '-days',
      '2',
      '-in',
      at(`${name}.csr`),
      '-CA',
      at('ca.pem'),
      '-CAkey',
      at('ca.key'),
      '-CAcreateserial',
      '-extfile',
      at('names'),
      '-out',
      at(`${name}.pem`),
    )
  }
  tls = {
    ca: fs.readFileSync(at('ca.pem')),
    cert: fs.readFileSync(at('client.pem')),
    key: fs.readFileSync(at('client.key')),
  }
  const [port, peerPort] = [await freePort(), await freePort()]
  endpoint = `https://127.0.0.1:${port}`
  const peer = `http://127.0.0.1:${peerPort}`
  server = spawn(
    'etcd',
    [
      '--data-dir',
      at('data'),
      '--listen-client-urls',
      endpoint,
      '--advertise-client-urls',
      endpoint,
      '--listen-peer-urls',
      peer,
      '--initial-advertise-peer-urls',
      peer,
      '--initial-cluster',
      `default=${peer}`,
      '--cert-file',
      at('server.pem'),
      '--key-file',
      at('server.key'),
      '--trusted-ca-file',
      at('ca.pem'),
      '--client-cert-auth',
      // Tokens that are not used for a second are forgotten.
      '--auth-token-ttl',
      '1',
    ],
    { stdio: 'ignore' },
  )
  const etcdctl = async (...parameters: readonly string[]): Promise<void> => {
    const access = [
      '--endpoints',
      endpoint,
      '--cacert',
      at('ca.pem'),
      '--cert',
      at('client.pem'),
      '--key',
      at('client.key'),
    ]
    await run('etcdctl', [...access, ...parameters], { env: { ...process.env, ETCDCTL_API: '3' } })
  }
  await until('etcd is healthy', () =>
    etcdctl('endpoint', 'health').then(
      () => true,
      () => false,
    ),
  )
  await etcdctl('user', 'add', 'root:root')
  await etcdctl('user', 'grant-role', 'root', 'root')
  await etcdctl('user', 'add', `${credentials.username}:${credentials.password}`)
  await etcdctl('role', 'add', 'locks')
  await etcdctl('role', 'grant-permission', 'locks', '--prefix=true', 'readwrite', 'slocket/')
  await etcdctl('user', 'grant-role', credentials.username, 'locks')
  await etcdctl('auth', 'enable')
})

after(async () => {
  server.kill('SIGKILL')
  if (server.exitCode === null) await once(server, 'exit')
  fs.rmSync(directory, { recursive: true, force: true })
})

describe('etcd with TLS and users', () => {
  test('locks are had, waited for and handed over; a token that is too old is replaced', async () => {
    const [a, b] = [etcd({ endpoints: endpoint, tls, credentials }), etcd({ endpoints: endpoint, tls, credentials })]
    const held = await slocket('deploy', { engine: a })
    const waiting = slocket('deploy', { engine: b, label: 'waiting' })
    await until('it waits', async () => (await slocket.query('deploy', { engine: a })).pending.length === 1)
    // Longer than tokens live. The renewals of the lease are further apart.
    await new Promise((resolve) => setTimeout(resolve, 2500))
    await held.release()
    await (await waiting).release()
  })

  test('without a certificate of the client, or with an authority that the server is not of, it cannot be reached', async () => {
    for (const wrong of [{ ca: tls.ca }, { cert: tls.cert, key: tls.key }]) {
      const engine = etcd({ endpoints: endpoint, tls: wrong, credentials, ttl: 5 })
      await assert.rejects(slocket.try('deploy', { engine }), (error) =>
        isSlocketError(error, 'ERR_SLOCKET_UNREACHABLE'),
      )
    }
  })

  test('a wrong password is refused, and so are keys that the user may not write', async () => {
    const engines = [
      etcd({ endpoints: endpoint, tls, credentials: { ...credentials, password: 'wrong' } }),
      etcd({ endpoints: endpoint, tls }),
      etcd({ endpoints: endpoint, tls, credentials, namespace: 'other' }),
    ]
    for (const engine of engines) {
      for (const ask of [slocket, slocket.query]) {
        await assert.rejects(ask('deploy', { engine }), (error) => isSlocketError(error, 'ERR_SLOCKET_PERMISSION'))
      }
    }
  })
})

async function freePort(): Promise<number> {
  const listener = net.createServer().listen(0, '127.0.0.1')
  await once(listener, 'listening')
  const { port } = listener.address() as net.AddressInfo
  listener.close()
  await once(listener, 'close')
  return port
}
