/** What is printed cannot be written. output.long.test.ts has the other commands. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { SLOCKET, Workplace } from '../helpers/command.ts'
import { ticketsIn } from '../helpers/lock-directory.ts'
import { testOutput } from './output-suite.ts'

testOutput('--help')
testOutput('status')
testOutput('status', '--watch')
testOutput('doctor', '--json')
testOutput('completion', 'bash')

describe('slocket break, if its output cannot be written', () => {
  test('takes nothing, and does not ask', async (t) => {
    const place = new Workplace()
    t.after(() => place.close())
    await place.slocket('run', 'L', '--', 'sh', '-c', 'echo pid $$; read line <fifo').says(/pid/)
    for (const parameters of [
      ['break', 'L'],
      ['break', '--yes', 'L'],
    ]) {
      const { status } = await place.run(['sh', '-c', `echo yes | "$@" >/dev/full`, '-', ...SLOCKET, ...parameters])
      assert.equal(status, 74)
      assert.equal(ticketsIn(place.path('L')).length, 1)
    }
  })
})
