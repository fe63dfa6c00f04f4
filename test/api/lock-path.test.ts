// lockPathFor: one lock for one file, whoever names it, and however.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import properLockfile from '../../src/compat/proper-lockfile.ts'
import { lockPathFor, slocket } from '../../src/index.ts'
import { programPath } from '../helpers/built.ts'
import { runChild } from './run-child.ts'

const INDEX = pathToFileURL(programPath('src/index.js')).href

const before = process.cwd()
let home: string

beforeEach(() => {
  home = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'slocket-path-')))
  fs.mkdirSync(path.join(home, 'real/deep'), { recursive: true })
  fs.symlinkSync('real', path.join(home, 'link'))
  fs.symlinkSync('real/deep', path.join(home, 'deep link'))
  process.chdir(home)
})
afterEach(() => {
  process.chdir(before)
  fs.rmSync(home, { recursive: true, force: true })
})

/** Names of `home/real/data.json`. */
function namesOfData(): (string | URL)[] {
  const file = path.join(home, 'real/data.json')
  return [
    file,
    'real/data.json',
    './real/../real//data.json',
    'link/data.json',
    path.join(home, 'link/data.json'),
    // The parent of what the link leads to.
    'deep link/../data.json',
    pathToFileURL(file),
    pathToFileURL(path.join(home, 'link/data.json')),
  ]
}

describe('lockPathFor', () => {
  test('returns one path for all names of a file, before and after it exists', () => {
    const expected = path.join(home, 'real/data.json.lock')
    for (const name of namesOfData()) assert.equal(lockPathFor(name), expected, String(name))
    fs.writeFileSync('real/data.json', '{}')
    fs.symlinkSync('../real/data.json', 'real/alias')
    fs.symlinkSync(path.join(home, 'link/alias'), 'second alias')
    for (const name of [...namesOfData(), 'real/alias', 'second alias']) {
      assert.equal(lockPathFor(name), expected, String(name))
    }
    assert.deepEqual(fs.readdirSync('real').sort(), ['alias', 'data.json', 'deep'])
  })

  test('follows a dangling link to the file that opening it would create', () => {
    fs.symlinkSync('../link/deep/target', 'real/first')
    fs.symlinkSync(path.join(home, 'link/first'), 'second')
    const expected = path.join(home, 'real/deep/target.lock')
    const all = (): string[] =>
      ['second', 'real/first', 'link/first', 'real/deep/target'].map((name) => lockPathFor(name))
    assert.deepEqual(new Set(all()), new Set([expected]))
    fs.writeFileSync('second', '')
    assert.ok(fs.existsSync('real/deep/target'))
    assert.deepEqual(new Set(all()), new Set([expected]))
  })

  test('rejects dangling links that lead through each other, quickly', async () => {
    // Each one doubles the work, if the two ways through it count for themselves.
    const links = 30
    for (let i = 0; i < links; i += 1) fs.symlinkSync(`l${i + 1}/../l${i + 1}`, `l${i}`)
    const { code, stdout, stderr } = await runChild(
      `import { lockPathFor } from ${JSON.stringify(INDEX)}
       try { lockPathFor(lockPath) } catch (error) { console.log(error.code) }`,
      path.join(home, 'l0'),
      {},
      20_000,
    )
    assert.deepEqual([code, stdout], [0, 'ERR_SLOCKET_NO_PARENT\n'], stderr)
  })

  test('resolves the part of a directory that exists', () => {
    const expected = path.join(home, 'real/new/er/data.json.lock')
    for (const name of ['link/new/er/data.json', 'real/new/er/data.json']) assert.equal(lockPathFor(name), expected)
    fs.mkdirSync('real/new/er', { recursive: true })
    assert.equal(lockPathFor('link/new/er/data.json'), expected)
  })

  test('accepts a directory', () => {
    assert.equal(lockPathFor('link'), path.join(home, 'real.lock'))
    assert.equal(lockPathFor('link/'), path.join(home, 'real.lock'))
  })

  test('rejects a path that names no file', () => {
    fs.writeFileSync('file', '')
    fs.symlinkSync('circle', 'circle')
    for (const wrong of ['', 'a\0b', undefined, null, 5, {}, new URL('https://host/file'), Buffer.from('file')]) {
      assert.throws(() => lockPathFor(wrong as string), TypeError)
    }
    assert.throws(() => lockPathFor('file/data.json'), { code: 'ERR_SLOCKET_NO_PARENT' })
    assert.throws(() => lockPathFor('circle'), { code: 'ERR_SLOCKET_NOT_A_LOCK' })
    assert.throws(() => lockPathFor('circle/data.json'), { code: 'ERR_SLOCKET_NOT_A_LOCK' })
    fs.mkdirSync('gone')
    process.chdir('gone')
    fs.rmdirSync(path.join(home, 'gone'))
    assert.throws(() => lockPathFor('data.json'), { code: 'ERR_SLOCKET_NO_PARENT' })
  })

  test('returns the lock path of the drop-in for proper-lockfile', async () => {
    fs.writeFileSync('real/data.json', '{}')
    const release = await properLockfile.lock('link/data.json')
    assert.equal(await slocket.try(lockPathFor('real/data.json')), null)
    await release()
    slocket.sync(lockPathFor('link/data.json'), { linger: 0, timeout: 0 }).release()
  })
})
