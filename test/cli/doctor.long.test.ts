/** The problems that `slocket doctor` finds. */
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { SLOCKET, Workplace } from '../helpers/command.ts'
import { reasonNotRoot, reasonWithout } from '../helpers/privileges.ts'

let place: Workplace
beforeEach(() => (place = new Workplace()))
afterEach(() => place.close())

describe('slocket doctor', () => {
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
    assert.match(stdout, /locks are not safe in /)
  })
})
