// `lockTransaction` with the clients that docs/engines/postgres.md has a line for: the transaction, and what is passed, are taken from there. On a server of
// its own, which scripts/engines.sh starts, and which ends with this process.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { commandOf } from '../project.js'

const ENGINES = fileURLToPath(new URL('../../scripts/engines.sh', import.meta.url))
const PAGE = readFileSync(fileURLToPath(new URL('../../docs/engines/postgres.md', import.meta.url)), 'utf8')

/** What each program starts with and ends with. `outside` is the client without a transaction, by the names of the line's own. */
const CLIENTS = {
  pg: {
    packages: ['pg'],
    open: `import pg from 'pg'
      const pool = new pg.Pool({ connectionString: url })
      const client = await pool.connect()`,
    outside: '',
    close: 'client.release(); await pool.end()',
  },
  TypeORM: {
    packages: ['typeorm', 'reflect-metadata', 'pg'],
    open: `import 'reflect-metadata'
      import { DataSource } from 'typeorm'
      const dataSource = await new DataSource({ type: 'postgres', url }).initialize()`,
    outside: 'const manager = dataSource.manager',
    close: 'await dataSource.destroy()',
  },
  'postgres.js': {
    packages: ['postgres'],
    open: `import postgres from 'postgres'
      const sql = postgres(url)`,
    outside: '',
    close: 'await sql.end()',
  },
  Prisma: {
    packages: ['prisma', '@prisma/client', '@prisma/client-runtime-utils', '@prisma/adapter-pg', 'pg'],
    open: `import { PrismaPg } from '@prisma/adapter-pg'
      import client from './generated/index.js'
      const prisma = new client.PrismaClient({ adapter: new PrismaPg({ connectionString: url }) })`,
    outside: 'const tx = prisma',
    close: 'await prisma.$disconnect()',
    prepare: generatePrismaClient,
  },
  knex: {
    packages: ['knex', 'pg'],
    open: `import makeKnex from 'knex'
      const knex = makeKnex({ client: 'pg', connection: url })`,
    outside: 'const trx = knex',
    close: 'await knex.destroy()',
  },
  Drizzle: {
    packages: ['drizzle-orm', 'pg'],
    open: `import { sql } from 'drizzle-orm'
      import { drizzle } from 'drizzle-orm/node-postgres'
      const db = drizzle(url)`,
    outside: 'const tx = db',
    close: 'await db.$client.end()',
  },
}

const EXPECTED = {
  taken: true,
  tried: null,
  timeout: 'ERR_SLOCKET_TIMEOUT',
  goesOn: true,
  after: true,
  outside: 'ERR_SLOCKET_NO_TRANSACTION',
}

export const rows = Object.entries(CLIENTS).map(([name, client]) => ({
  name: `transaction-${name.toLowerCase()}`,
  run: (open, skip) => run(name, client, open, skip),
}))

async function run(name, client, open, skip) {
  const url = await addressOfServer()
  if (url === undefined) return skip('PostgreSQL is not installed')
  const project = await open({ packages: [...new Set([...client.packages, 'pg'])] })
  await client.prepare?.(project)
  await project.write('program.mjs', programOf(name, client))
  await project.check(process.execPath, ['program.mjs'], { expected: EXPECTED, env: { DATABASE: url } })
}

function programOf(name, { open, outside, close }) {
  const { transaction, pass } = lineOf(name)
  return `import { slocket } from 'slocket'
    import { lockTransaction, postgres as engineOf } from 'slocket/postgres'
    const url = process.env.DATABASE
    ${open}
    const engine = engineOf({ connectionString: url })
    const name = ${JSON.stringify(`${name} ? $1 :a 'b'`)}
    const found = {}
    const code = ({ code }) => code
    const body = async (client) => {
      found.taken = await lockTransaction(client, name)
      found.tried = await slocket.try(name, { engine })
      await using_(await slocket(name + 2, { engine }), async () => {
        found.timeout = await lockTransaction(client, name + 2, { timeout: 20 }).catch(code)
      })
      found.goesOn = await lockTransaction(client, name + 2, { wait: false })
    }
    async function using_(lock, body) {
      try { await body() } finally { await lock.release() }
    }
    ${transaction.replace('…', `{ await body(${pass}) }`)}
    await using_(await slocket.try(name, { engine }), () => (found.after = true))
    await (async () => {
      ${outside}
      found.outside = await lockTransaction(${pass}, name).catch(code)
    })()
    ${close}
    console.log(JSON.stringify(found))`
}

/** What the page says of a client. */
function lineOf(name) {
  const line = PAGE.split('\n').find((text) => text.startsWith(`| ${name} `))
  const [transaction, pass] = [...(line ?? '').matchAll(/`([^`]+)`/g)].map(([, code]) => code)
  assert.ok(transaction?.includes('…') && pass !== undefined, `docs/engines/postgres.md has no line for ${name}`)
  // Of several statements, those by the client itself.
  return { transaction: transaction.includes('=>') ? `await ${transaction}` : transaction, pass }
}

/** It asks for a program that only migrations need, which it would fetch from elsewhere. */
async function generatePrismaClient(project) {
  await project.write(
    'schema.prisma',
    `generator client {
      provider = "prisma-client-js"
      output = "./generated"
    }
    datasource db {
      provider = "postgresql"
    }`,
  )
  await project.run(process.execPath, [commandOf('prisma'), 'generate', '--schema', 'schema.prisma'], {
    env: { PRISMA_SCHEMA_ENGINE_BINARY: process.execPath, PRISMA_HIDE_UPDATE_MESSAGE: '1', CHECKPOINT_DISABLE: '1' },
  })
}

let address

/** Undefined if it can't be started for want of PostgreSQL, which only root installs. */
function addressOfServer() {
  if (address === undefined) {
    const { stdout, stderr } = spawnSync(
      'bash',
      [ENGINES, 'up', '--only', 'postgres', '--owner', String(process.pid)],
      {
        encoding: 'utf8',
      },
    )
    address = /^export SLOCKET_POSTGRES=(.*)$/m.exec(stdout)?.[1]
    if (address === undefined && process.getuid?.() === 0) throw new Error(stderr)
  }
  return address
}
