/** More of what can be locked as flock(1) does it, and of what cannot, than flock.test.ts has. */
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { SLOCKET, Workplace } from '../helpers/command.ts'
import type { Ending } from '../helpers/command.ts'

const HOLD = ['sh', '-c', 'echo pid $$; read line <fifo']

let place: Workplace
beforeEach(() => (place = new Workplace()))
afterEach(() => place.close())

async function flock(...words: readonly string[]): Promise<Ending> {
  return await place.run([...SLOCKET, 'flock', ...words])
}

describe('the lock of a file', () => {
  test('may be a directory, the script itself, or a pipe', async () => {
    fs.mkdirSync(place.path('d'))
    for (const target of ['d', 'd/', 'd/.', 'fifo']) {
      const { status, stdout, stderr } = await flock(target, 'echo', 'mine')
      assert.deepEqual([status, stdout, stderr], [0, 'mine\n', ''], target)
    }
    const script = `#!/bin/sh
[ "$FLOCKER" != "$0" ] && exec env FLOCKER="$0" ${SLOCKET.join(' ')} flock -en "$0" "$0" "$@"
echo alone $1
`
    fs.writeFileSync(place.path('job'), script, { mode: 0o755 })
    assert.equal((await place.run([place.path('job'), 'x'])).stdout, 'alone x\n')
  })

  test('is refused if it cannot be locked', async () => {
    await place.slocket('run', 'R', '--', ...HOLD).says(/pid/)
    for (const [words, status, complaint] of [
      [['R', 'true'], 66, /'R' is a lock of 'slocket run'/],
      [['/', 'true'], 66, /no place beside '\/'/],
      [['missing/L', 'true'], 66, /parent directory does not exist/],
      [['fifo/L', 'true'], 66, /not a directory/],
      [['', 'true'], 66, /cannot open ''/],
    ] as const) {
      const ending = await flock(...words)
      assert.deepEqual([ending.status, complaint.test(ending.stderr)], [status, true], ending.stderr)
    }
    place.end()
  })
})
