// slocket.all() with the paths of local locks: missing directories, several spellings, relative paths, and callers that never deadlock.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { after, describe, test } from 'node:test'
import { slocket } from '../../src/index.ts'
import { until } from '../helpers/until.ts'
import { NO_LINKS } from '../helpers/windows.ts'
import { makeParent, runChild } from './run-child.ts'

const { lockPath, dispose } = makeParent()
const before = process.cwd()
after(() => {
  process.chdir(before)
  dispose()
})

const [A, B] = ['a', 'b'].map((name) => `${lockPath}-${name}`) as [string, string]

describe('slocket.all, by paths', () => {
  const parent = path.dirname(lockPath)

  test('a missing directory is an error, and no lock is held', async () => {
    await assert.rejects(slocket.all([A, path.join(parent, 'missing', 'lock')], { linger: 0 }), {
      code: 'ERR_SLOCKET_NO_PARENT',
    })
    assert.equal(fs.existsSync(A), false)
  })

  test('two spellings of a path are one lock, also through a linked directory', { skip: NO_LINKS }, async () => {
    const link = `${lockPath}-link`
    fs.symlinkSync(parent, link)
    process.chdir(parent)
    const set = await slocket.all([A, path.basename(A), `${parent}/./x/../${path.basename(A)}`, `${link}/lock-a`], {
      linger: 0,
      timeout: 60_000,
    })
    assert.equal(new Set(set.locks).size, 1)
    assert.equal(set.locks[0]!.name, A)
    await set.release()
  })

  test('relative paths are resolved at the time of the call', async () => {
    process.chdir(parent)
    const holder = await slocket(A, { linger: 0 })
    const asking = slocket.all(['lock-b', 'lock-a'], { linger: 0 })
    process.chdir('/')
    await until('it waits', async () => (await slocket.query(A)).pending.length === 1)
    await holder.release()
    const set = await asking
    assert.deepEqual(
      set.locks.map(({ name }) => name),
      ['lock-b', 'lock-a'],
    )
    assert.equal(await slocket.try(B), null)
    await set.release()
  })

  test(
    'processes that request the same locks in different orders, by different names, never deadlock',
    { skip: NO_LINKS },
    async () => {
      const directories = ['one', 'two'].map((name) => path.join(parent, name))
      for (const directory of directories) fs.mkdirSync(directory)
      // By the order of the paths, they come the other way round.
      fs.symlinkSync(directories[0]!, path.join(parent, 'z'))
      fs.symlinkSync(directories[1]!, path.join(parent, 'y'))
      const program = (names: readonly string[]): string => `
      const paths = ${JSON.stringify(names)}.map((name) => lockPath + name)
      for (let round = 0; round < 150; round += 1) {
        const set = await slocket.all(paths, { timeout: 30_000 })
        await set.release()
        paths.push(paths.shift())
      }
      console.log('done')`
      const own = ['/one/lock', '/two/lock', '/one/other', '/two/other']
      const other = ['/y/lock', '/z/lock', '/y/other', '/z/other']
      const endings = await Promise.all(
        [own, other, own.toReversed(), other.toReversed()].map((names) => runChild(program(names), parent)),
      )
      for (const { stdout, stderr } of endings) assert.equal(stdout, 'done\n', stderr)
    },
  )
})
