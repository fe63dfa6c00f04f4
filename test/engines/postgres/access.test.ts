// TLS and passwords, on a server that requires them; and the errors of rejected connections.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import util from 'node:util'
import type { PostgresOptions } from '../../../src/engines/postgres/index.ts'
import { postgres } from '../../../src/engines/postgres/index.ts'
import type { SlocketErrorCode } from '../../../src/index.ts'
import { isSlocketError, slocket } from '../../../src/index.ts'
import { reasonWithout } from '../../helpers/privileges.ts'
import { until } from '../../helpers/until.ts'
import { addressOf, Servers } from '../helpers/servers.ts'
import { administer } from './admin.ts'

const PASSWORD = 's3cret/äöü'
/** A role that comes in by TLS with its password, and by nothing else. */
const HBA = [
  'hostssl all guarded 127.0.0.1/32 scram-sha-256',
  'host all guarded 127.0.0.1/32 reject',
  'host all all 127.0.0.1/32 trust',
]

async function refused(options: PostgresOptions, code: SlocketErrorCode, message: RegExp): Promise<void> {
  await assert.rejects(slocket('a', { engine: postgres(options) }), (error: Error) => {
    assert.ok(isSlocketError(error, code), util.inspect(error))
    assert.match(error.message, message)
    assert.equal(util.inspect(error, { depth: 9, showHidden: true }).includes('s3cret'), false)
    return true
  })
}

describe('a PostgreSQL server with TLS and passwords', { skip: reasonWithout('openssl', 'version') }, () => {
  let servers: Servers
  let url: URL
  let ca: string
  let other: string

  before(async () => {
    servers = await Servers.start('postgres')
    url = new URL(servers.addressOf('postgres'))
    const data = join(servers.directory, 'postgres/data')
    ca = makeAuthority(join(data, 'ca'))
    other = makeAuthority(join(data, 'other'))
    makeCertificate(data, url.hostname)
    fs.writeFileSync(join(data, 'pg_hba.conf'), `${HBA.join('\n')}\n`)
    for (const name of ['server.key', 'server.crt']) {
      const { uid, gid } = fs.statSync(data)
      fs.chmodSync(join(data, name), 0o600)
      fs.chownSync(join(data, name), uid, gid)
    }
    const statements = [
      'ALTER SYSTEM SET ssl = on',
      `CREATE ROLE guarded LOGIN PASSWORD '${PASSWORD}'`,
      'GRANT CREATE ON SCHEMA public TO guarded',
      'SELECT pg_reload_conf()',
    ]
    await administer(url.href, ...statements)
    await until('it has TLS', async () => (await administer(url.href, 'SHOW ssl'))[0]!['ssl'] === 'on')
    await until('it asks for passwords', () =>
      administer(url.href.replace('postgres@', 'guarded@'), 'SELECT 1').then(
        () => false,
        () => true,
      ),
    )
  })

  after(async () => {
    await servers.close()
  })

  const guarded = (): PostgresOptions => ({
    host: url.hostname,
    port: Number(url.port),
    database: 'postgres',
    user: 'guarded',
    password: PASSWORD,
    ssl: { ca },
  })

  test('with the right authority and password, locks work over an encrypted connection', async () => {
    const lock = await slocket('tls', { engine: postgres(guarded()) })
    const statement = "SELECT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE usename = 'guarded'"
    const rows = await administer(url.href, statement)
    assert.ok(rows.length > 0)
    assert.ok(rows.every(({ ssl }) => ssl === true))
    await lock.release()
  })

  test('the password may come from a function, and everything from a connection string', async () => {
    const file = join(servers.directory, 'ca.pem')
    fs.writeFileSync(file, ca)
    const connectionString = `postgres://guarded:${encodeURIComponent(PASSWORD)}@${url.host}/postgres?sslmode=verify-full&sslrootcert=${file}`
    for (const options of [{ ...guarded(), password: () => Promise.resolve(PASSWORD) }, { connectionString }]) {
      const lock = await slocket('tls', { engine: postgres(options) })
      await lock.release()
    }
  })

  test('a certificate of another authority, or for another name, is rejected', async () => {
    await refused({ ...guarded(), ssl: { ca: other } }, 'ERR_SLOCKET_UNREACHABLE', /certificate|signature/)
    await refused({ ...guarded(), ssl: true }, 'ERR_SLOCKET_UNREACHABLE', /certificate/)
    const servername = 'db.example'
    await refused({ ...guarded(), ssl: { ca, servername } }, 'ERR_SLOCKET_UNREACHABLE', /altnames/)
  })

  test('without TLS, or with a wrong or missing password, connections are rejected', async () => {
    await refused({ ...guarded(), ssl: false }, 'ERR_SLOCKET_PERMISSION', /pg_hba|rejects/)
    await refused({ ...guarded(), password: 's3cret' }, 'ERR_SLOCKET_PERMISSION', /password authentication failed/)
    await refused({ ...guarded(), password: undefined }, 'ERR_SLOCKET_PERMISSION', /password/)
  })
})

describe('a PostgreSQL server that does not fit the options', () => {
  const url = addressOf('postgres')
  const refusals: readonly [string, PostgresOptions, SlocketErrorCode, RegExp][] = [
    ['no TLS', { connectionString: url, ssl: true }, 'ERR_SLOCKET_UNREACHABLE', /does not support SSL/],
    ['no database', { connectionString: url.replace(/[^/]*$/, 'nope') }, 'ERR_SLOCKET_SYSTEM', /"nope" does not exist/],
    ['no server', { connectionString: 'postgres://a:s3cret@127.0.0.1:1/b' }, 'ERR_SLOCKET_UNREACHABLE', /ECONNREFUSED/],
    ['no host', { connectionString: 'postgres://a:s3cret@nohost.invalid/b' }, 'ERR_SLOCKET_UNREACHABLE', /nohost/],
    ['no file', { connectionString: `${url}?sslrootcert=/nowhere` }, 'ERR_SLOCKET_SYSTEM', /nowhere/],
  ]
  for (const [what, options, code, message] of refusals) {
    test(`${what}: ${code}, without a secret`, async () => {
      await refused(options, code, message)
    })
  }

  test('a connection string that is not a URL: a TypeError, without a secret', async () => {
    const engine = postgres({ connectionString: 'postgres://a:s3cret@b:99999999/c' })
    await assert.rejects(
      slocket('a', { engine }),
      (error) => error instanceof TypeError && !util.inspect(error, { showHidden: true }).includes('s3cret'),
    )
  })
})

function openssl(...parameters: readonly string[]): void {
  execFileSync('openssl', parameters, { stdio: ['ignore', 'ignore', 'pipe'] })
}

/** Gives its certificate. */
function makeAuthority(path: string): string {
  const subject = [
    '-subj',
    '/CN=authority',
    '-days',
    '2',
    '-nodes',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:P-256',
  ]
  openssl('req', '-x509', ...subject, '-keyout', `${path}.key`, '-out', `${path}.crt`)
  return fs.readFileSync(`${path}.crt`, 'utf8')
}

/** `server.key` and `server.crt`, for an address, by the authority `ca` there. */
function makeCertificate(directory: string, address: string): void {
  const [key, request, certificate] = ['key', 'csr', 'crt'].map((ending) => join(directory, `server.${ending}`)) as [
    string,
    string,
    string,
  ]
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256']
  openssl('req', '-subj', '/CN=server', '-nodes', ...curve, '-keyout', key, '-out', request)
  const extensions = join(directory, 'server.ext')
  fs.writeFileSync(extensions, `subjectAltName=IP:${address}\n`)
  const authority = ['-CA', join(directory, 'ca.crt'), '-CAkey', join(directory, 'ca.key'), '-CAcreateserial']
  const days = ['-days', '2', '-extfile', extensions]
  openssl('x509', '-req', '-in', request, ...authority, ...days, '-out', certificate)
}
