/** How `slocket hold` recognizes the process of its script: by the process id and the start time. */
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { identify, isStillRunning } from '../../src/cli/process-start.ts'
import { untilDead, Workplace } from '../helpers/command.ts'
import { reasonNotRoot, reasonWithout } from '../helpers/privileges.ts'
import { until } from '../helpers/until.ts'
import { ANN, asUser } from '../helpers/users.ts'

let place: Workplace
beforeEach(() => (place = new Workplace()))
afterEach(() => place.close())

describe('a process', () => {
  test('is distinguished from a later one with the same id by its start time', () => {
    const { pid, start } = identify(process.pid)!
    assert.equal(isStillRunning({ pid, start }), true)
    assert.equal(isStillRunning({ pid, start: String(BigInt(start) - 1n) }), false)
  })

  const withoutHidden =
    reasonNotRoot() || reasonWithout('unshare', '-m', 'mount', '-t', 'proc', '-o', 'hidepid=2', 'none', '/mnt')
  test("runs even if /proc hides it, like another user's, until it has ended", { skip: withoutHidden }, async () => {
    const { start } = identify(process.pid)!
    const gone = place.start(['true'])
    await gone.ended()
    const program = `
      import { identify, isStillRunning } from ${JSON.stringify(new URL('../../src/cli/process-start.js', import.meta.url).href)}
      const see = (pid) => [identify(pid) !== undefined, isStillRunning({ pid, start: '${start}' })]
      console.log(JSON.stringify([process.pid, ${process.pid}, ${gone.pid}].map(see)))`
    const hidden = ['unshare', '-m', 'sh', '-c', 'mount -t proc -o hidepid=2 none /proc && exec "$@"', 'sh']
    const { stdout, stderr } = await place.run([
      ...hidden,
      ...asUser(ANN),
      process.execPath,
      '--input-type=module',
      '-e',
      program,
    ])
    assert.equal(stderr, '')
    assert.deepEqual(JSON.parse(stdout), [
      [true, false],
      [false, true],
      [false, false],
    ])
  })

  test('has ended even if its parent has not reaped it', async () => {
    const parent = place.start(['sh', '-c', `sh -c 'read line <fifo' & echo child $!; exec tail -f /dev/null`])
    const child = Number((await parent.says(/child (\d+)/))[1])
    await until('it is another program, which looks after no child', () =>
      fs.readFileSync(`/proc/${parent.pid}/comm`, 'utf8').startsWith('tail'),
    )
    const identity = identify(child)!
    assert.equal(isStillRunning(identity), true)
    place.end()
    await untilDead(child)
    assert.equal(fs.existsSync(`/proc/${child}`), true)
    assert.deepEqual([identify(child), isStillRunning(identity)], [undefined, false])
    parent.kill('SIGKILL')
  })
})
