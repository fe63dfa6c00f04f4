// The examples of the engines' pages, on real servers: as they stand, but for the addresses of servers and for what is another's to write
// (`deploy`, `prepare`, `write`). In the package as it is installed, with the clients beside it.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import pg from 'pg'
import { etcdctl } from './helpers/etcd-cluster.ts'
import { Servers } from './helpers/servers.ts'
import { administer } from './postgres/admin.ts'
import { compile, installPackage, ROOT, run } from '../package/install.ts'
import type { Installation } from '../package/install.ts'

const PAGES = [
  'README.md',
  'docs/choosing.md',
  'docs/engines/README.md',
  'docs/engines/etcd.md',
  'docs/engines/postgres.md',
]
const CLIENTS = ['@grpc', 'pg', 'redis']
/** Whoever copies an example has these. */
const OTHERS = ['deploy', 'prepare', 'write'].map((name) => `async function ${name}() {}\n`).join('')

interface Example {
  readonly page: string
  readonly line: number
  readonly language: string
  readonly code: string
}

const examples = PAGES.flatMap(examplesOf)
const programs = examples.filter(
  ({ language, code }) => /^[jt]s$/.test(language) && /\b(etcd|postgres|lockTransaction)\(/.test(code),
)
const statements = examples.filter(({ language }) => language === 'sql')
const commands = engineCommandsOf('docs/cli.md')

describe('the examples of engines', () => {
  let servers: Servers
  let installed: Installation
  let place: (text: string) => string
  let urlOf: (database: string) => string
  let endpoints: readonly string[]

  before(async () => {
    servers = await Servers.start('cluster', 'postgres', 'redis')
    const { host } = new URL(servers.addressOf('postgres'))
    endpoints = servers.addressOf('cluster').split(',')
    urlOf = (database) => `postgres://postgres@${host}/${database}`
    place = (text) =>
      text
        .replace(/(?:http:\/\/)?10\.0\.0\.([123]):2379/g, (found, number) => {
          const endpoint = endpoints[Number(number) - 1]!
          return found.startsWith('http') ? endpoint : new URL(endpoint).host
        })
        .replaceAll('db.example', host)
        // With the option it runs without a pooler, too.
        .replaceAll('pooler.example:6432', host)
        .replaceAll('cache.example', new URL(servers.addressOf('redis')).host)
    await administer(urlOf('postgres'), 'CREATE ROLE app LOGIN', 'CREATE DATABASE app')
    await etcdctl(endpoints[0]!, ...wordsOf('etcdctl put', examples))
    installed = await installPackage()
    const modules = join(installed.project, 'node_modules')
    await Promise.all(CLIENTS.map((name) => symlink(join(ROOT, 'node_modules', name), join(modules, name))))
  })

  after(async () => {
    await Promise.all([servers.close(), installed.remove()])
  })

  test('there are examples', () => {
    assert.deepEqual([programs.length, statements.length, commands.length], [7, 4, 3])
  })

  test('an administrator of PostgreSQL can run the statements, and they suffice for a role without other rights', async () => {
    const [sequence, database] = ['CREATE SEQUENCE', 'CREATE DATABASE'].map(
      (beginning) => statements.find(({ code }) => code.startsWith(beginning))!.code,
    )
    await administer(urlOf('postgres'), database!)
    for (const name of ['app', 'locks']) await administer(urlOf(name), sequence!)
  })

  for (const { page, line, language, code } of programs) {
    test(`${page}, line ${line} runs`, async () => {
      // It has a lock by the engine that it shows.
      const use =
        "const { slocket: ask } = await import('slocket')\nawait (await ask('example', { engine })).release()\n"
      const file = `${page.replaceAll('/', '-')}-${line}`
      const source = join(installed.project, `${file}.m${language}`)
      await writeFile(source, `${place(code)}${OTHERS}${/\bconst engine\b/.test(code) ? use : ''}`)
      if (language === 'ts') await compile(installed.project, [`${file}.mts`])
      await run(process.execPath, [`${file}.mjs`], installed.project)
    })
  }

  test('a write to etcd that is guarded by a token succeeds, and one with an earlier token fails', async () => {
    const { page, line } = programs.find(({ code }) => code.includes('writeGuarded'))!
    const file = join(installed.project, `${page.replaceAll('/', '-')}-${line}.mjs`)
    const read = async (): Promise<string> => await etcdctl(endpoints[1]!, 'get', '--print-value-only', 'data/record')
    assert.equal(await read(), 'mine\n')
    const late = "if (await writeGuarded(lock.token - 1n, 'late')) throw new Error('an earlier token has written')\n"
    fs.appendFileSync(
      file,
      `${late}if (!(await writeGuarded(lock.token, 'again'))) throw new Error('its own may again')\n`,
    )
    await run(process.execPath, [file], installed.project)
    assert.equal(await read(), 'again\n')
  })

  for (const { page, line, code } of statements.filter(({ code: text }) => text.startsWith('UPDATE'))) {
    test(`${page}, line ${line}: a write to PostgreSQL is guarded by a token`, async () => {
      const [, table, column] = /^UPDATE (\w+) SET (\w+) =/.exec(code)!
      const client = new pg.Client({ connectionString: urlOf('app') })
      await client.connect()
      try {
        await client.query(
          `CREATE TABLE ${table} (id text PRIMARY KEY, ${column} text, fence bigint NOT NULL DEFAULT 0)`,
        )
        await client.query(`INSERT INTO ${table} (id) VALUES ('a')`)
        const write = async (value: string, token: bigint): Promise<number | null> =>
          (await client.query(code, [value, token, 'a'])).rowCount
        assert.deepEqual([await write('one', 7n), await write('two', 7n), await write('late', 6n)], [1, 1, 0])
        assert.equal((await client.query(`SELECT ${column} AS value FROM ${table}`)).rows[0].value, 'two')
      } finally {
        await client.end()
      }
    })
  }

  for (const { line, code } of commands) {
    test(`docs/cli.md, line ${line} runs`, async () => {
      await writeFile(join(installed.project, 'nightly.sh'), '#!/bin/sh\necho token $SLOCKET_TOKEN\n', { mode: 0o755 })
      const said = await run('sh', ['-c', `PATH=node_modules/.bin:$PATH; ${place(code)}`], installed.project)
      assert.match(said, /^token \d+\n$/)
    })
  }
})

/** Each block between fences. */
function examplesOf(page: string): Example[] {
  const text = fs.readFileSync(join(ROOT, page), 'utf8')
  return [...text.matchAll(/^(`{3,})(\w*)\n([^]*?)^\1$/gm)].map((match) => ({
    page,
    line: text.slice(0, match.index).split('\n').length,
    language: match[2]!,
    code: match[3]!,
  }))
}

/** Each command that names a server. */
function engineCommandsOf(page: string): Example[] {
  return examplesOf(page).flatMap(({ language, line, code }) =>
    code
      .split('\n')
      .map((command, index) => ({ page, line: line + index + 1, language, code: command }))
      .filter(({ code: command }) => /--engine '?\w+:\/\//.test(command)),
  )
}

/** The words after `etcdctl` of the one command that begins so. */
function wordsOf(beginning: string, among: readonly Example[]): string[] {
  const found = among.flatMap(({ code }) => code.split('\n')).filter((line) => line.startsWith(beginning))
  assert.equal(found.length, 1)
  return found[0]!.split(' ').slice(1)
}
