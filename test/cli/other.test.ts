/** doctor, help, and what there is not. */
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { runCommandNamed } from '../../src/cli/commands.ts'
import { HELP } from '../../src/cli/help.ts'
import { SLOCKET, Workplace } from '../helpers/command.ts'
import { reasonNotRoot, reasonWithout } from '../helpers/privileges.ts'

let place: Workplace
beforeEach(() => (place = new Workplace()))
afterEach(() => place.close())

describe('slocket doctor', () => {
  test('finds no problem where locks are safe, and leaves nothing behind', async () => {
    const { status, stdout } = await place.runSlocket('doctor', '--json')
    const { safe, findings } = JSON.parse(stdout) as { safe: boolean; findings: Record<string, { kind: string }> }
    assert.deepEqual([status, safe, findings['death of a holder']?.kind], [0, true, 'good'])
    assert.deepEqual(fs.readdirSync(place.directory), ['fifo'])
    assert.match(
      (await place.runSlocket('doctor')).stdout,
      /^ok +Node version: v.*\nok +death of a holder: seen after \d+ ms\nlocks are safe in \S+\n$/s,
    )
  })

  test('names the ticket, the witness and the bell in use', async () => {
    const { stdout } = await place.runSlocket('doctor', '--json')
    const { findings } = JSON.parse(stdout) as { findings: Record<string, { text: string }> }
    assert.deepEqual(
      ['ticket', 'witness', 'bell'].map((name) => findings[name]?.text),
      [
        'a hard link to a listening socket',
        'a connection to that socket: a live one accepts, a dead one refuses',
        "a connection to the ticket's socket",
      ],
    )
  })

  test('reports problems', async () => {
    const { status, stdout } = await place.runSlocket('doctor', '/proc')
    assert.equal(status, 1)
    assert.match(stdout, /^BAD +directory: cannot create anything in '\/proc'/)
  })

  for (const [name, code, status, line] of [
    [
      'a Node that is too old',
      `Object.defineProperty(process, 'versions', { value: { node: '20.18.3' } })`,
      1,
      'BAD   Node',
    ],
    [
      'a file system without hard links',
      `import fs from 'node:fs'
      fs.linkSync = () => { throw Object.assign(new Error('no links'), { code: 'EPERM' }) }`,
      0,
      'note  ticket: a listening socket of its own\\n +locks work all the same: hard links cannot be made',
    ],
    [
      'listings that leave something out',
      `import fs from 'node:fs'
      const list = fs.readdirSync
      let times = 0
      fs.readdirSync = (path, ...all) => {
        const names = list(path, ...all)
        return String(path).endsWith('/names') && (times += 1) === 1 ? names.slice(1) : names
      }`,
      1,
      'BAD   name order: a listing shows 499 of 500 names',
    ],
  ] as const) {
    test(`detects ${name}`, async () => {
      const env = { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(code)}` }
      const ending = await place.run([...SLOCKET, 'doctor'], { env })
      assert.equal(ending.status, status, ending.stdout)
      assert.match(ending.stdout, new RegExp(`^${line}`, 'm'))
    })
  }

  test('detects a file system on which hard links to sockets do not work, and finds locks safe there', async () => {
    const preload = new URL('../fixtures/dead-links.js', import.meta.url).href
    const ending = await place.run([...SLOCKET, 'doctor'], { env: { NODE_OPTIONS: `--import=${preload}` } })
    assert.equal(ending.status, 0, ending.stdout)
    assert.match(
      ending.stdout,
      /^note {2}ticket: a listening socket of its own\n +locks work all the same: hard links .* do not lead to/m,
    )
    assert.match(ending.stdout, /^ok {4}death of a holder/m)
  })

  test('detects a directory in which everybody may remove entries', async () => {
    fs.chmodSync(place.directory, 0o777)
    const { status, stdout } = await place.runSlocket('doctor')
    assert.equal(status, 0)
    assert.match(stdout, /^note {2}permissions: every user can remove/m)
    fs.chmodSync(place.directory, 0o1777)
    assert.match((await place.runSlocket('doctor')).stdout, /^ok {4}permissions/m)
  })

  const withoutMounts = reasonNotRoot() || reasonWithout('unshare', '-m', 'true')
  test('detects a file system without sockets', { skip: withoutMounts }, async () => {
    // No file system here refuses sockets and accepts files; one that runs out of inodes after a few files is close to that.
    const script = `mount -t tmpfs -o nr_inodes=4 none . && ${SLOCKET.join(' ')} doctor .`
    const { status, stdout } = await place.run(['unshare', '-m', 'sh', '-c', script])
    assert.equal(status, 1)
    assert.match(stdout, /BAD .*(no space|ENOSPC)/)
    assert.match(stdout, /no locks in /)
  })
})

describe('help', () => {
  for (const name of ['', 'run', 'hold', 'release', 'flock', 'status', 'break', 'doctor', 'completion']) {
    test(`of slocket ${name} fits a screen`, () => {
      const text = HELP[name]!.slice(1)
      const lines = text.split('\n')
      assert.ok(lines.length <= 24 && lines.every((line) => line.length <= 88), text)
      assert.match(text, new RegExp(`^usage: slocket ${name}`))
    })
  }

  // Of `run`, `flock` and the others, each is another way through src/cli/main.ts.
  for (const name of ['', 'run', 'flock', 'hold']) {
    test(`slocket ${name} --help and slocket help ${name} print the same`, async () => {
      const { status, stdout } = await place.runSlocket(...(name === '' ? [] : [name]), '--help')
      assert.deepEqual([status, stdout], [0, HELP[name]!.slice(1)])
      assert.equal((await place.runSlocket('help', ...(name === '' ? [] : [name]))).stdout, stdout)
    })
  }

  test('an unknown command suggests the nearest one', async () => {
    for (const [typed, meant] of [
      ['stats', 'status'],
      ['rn', 'run'],
      ['doc', 'doctor'],
      ['brake', 'break'],
      ['relase', 'release'],
      ['flok', 'flock'],
    ] as const) {
      await assert.rejects(runCommandNamed(typed, [], 'slocket'), {
        message: `unknown command; did you mean '${meant}'?`,
      })
    }
    const { status, stderr } = await place.runSlocket('stats')
    assert.equal(status, 64)
    assert.match(stderr, /^slocket: stats: unknown command; did you mean 'status'\?\n/)
    await assert.rejects(runCommandNamed('toString', [], 'slocket'), { message: 'unknown command' })
    assert.match((await place.runSlocket('status', '--jsn')).stderr, /--jsn/)
  })
})
