/** `slocket flock`, and `slocket run`, understand the words of flock(1), and exit as it does: all are run with the same words. */
import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { SLOCKET, Workplace } from '../helpers/command.ts'
import { reasonWithout } from '../helpers/privileges.ts'

const RUN = [...SLOCKET, 'run']
const FLOCK = [...SLOCKET, 'flock']
/** Says that it has the lock, and ends when the test says so. */
const HOLD = ['sh', '-c', 'echo pid $$; read line <fifo']
const withoutFlock = reasonWithout('flock', '--version')

let place: Workplace
beforeEach(() => (place = new Workplace()))
afterEach(() => place.close())

describe('compared with flock(1)', { skip: withoutFlock }, () => {
  const free: readonly (readonly string[])[] = [
    ['L', 'true'],
    ['L', 'false'],
    ['L', 'sh', '-c', 'exit 7'],
    ['L', 'sh', '-c', 'kill -9 $$'],
    ['L', 'sh', '-c', 'kill -TERM $$'],
    ['L', '-c', 'exit 9'],
    ['-x', 'L', '-c', 'echo "$0"'],
    ['L', '-c', 'no-such-command'],
    ['L', 'sh', '-c', 'echo "[$1]" "[$2]"', '-', '-n', '--'],
    ['--', 'L', 'echo', '--', 'L'],
    ['-xn', 'L', 'echo', 'mine'],
    ['-es', 'L', 'echo', 'mine'],
    ['-w', '.5', 'L', 'echo', 'mine'],
    ['-w', '1e1', 'L', 'echo', 'mine'],
    ['-o', 'L', 'echo', 'mine'],
    // How many descriptors the command has.
    ['L', 'sh', '-c', 'set -- /proc/$$/fd/*; echo $#'],
    ['-o', 'L', 'sh', '-c', 'set -- /proc/$$/fd/*; echo $#'],
    ['--close', '--exclusive', 'L', 'sh', '-c', 'set -- /proc/$$/fd/*; echo $#'],
    ['-E', '300', 'L', 'true'],
    ['-E', '-1', 'L', 'true'],
    ['-E', '', 'L', 'true'],
    ['-w', 'soon', 'L', 'true'],
    ['-w', '1s', 'L', 'true'],
    ['-Z', 'L', 'true'],
    ['L', '-c'],
    ['L', '-c', 'true', 'false'],
    [],
    ['no-such-directory/L', 'true'],
    ['fifo/L', 'true'],
    ['x'.repeat(300), 'true'],
  ]
  /** What `slocket run` does otherwise. */
  const ofFlock: readonly (readonly string[])[] = [
    ['L', 'no-such-command'],
    ['L', '.'],
    ['L', '-n', 'echo'],
    ['L', '--', 'echo'],
    ['-F', 'L', 'echo', 'mine'],
    ['-oF', 'L', 'echo', 'mine'],
    ['-u', 'L', 'sh', '-c', 'echo mine; exit 4'],
    ['--excl', '--nonb', '--tim', '1', 'L', 'echo', 'mine'],
    ['--no', 'L', 'echo', 'mine'],
    ['-c', 'echo', 'L'],
    ['-w', '', 'L', 'echo', 'mine'],
    ['L', 'sh', '-c', 'test -f L || test -f F; echo $?'],
    ['.', 'echo', 'mine'],
    ['L'],
    ['word'],
    ['-xV', 'word'],
    ['3x'],
  ]
  test('a free lock: `slocket flock` has the same status and output', async () => {
    for (const parameters of [...free, ...ofFlock]) {
      const ours = await place.run([...FLOCK, ...parameters])
      const theirs = await place.run(['flock', ...parameters.map((word) => word.replace(/^L$/, 'F'))])
      const withoutVersion = (text: string): string =>
        text.replace(/^(slocket|flock from util-linux) [\d.]+$/m, 'version')
      assert.deepEqual(
        { status: ours.status, signal: ours.signal, stdout: withoutVersion(ours.stdout.replaceAll('L', 'F')) },
        { status: theirs.status, signal: theirs.signal, stdout: withoutVersion(theirs.stdout) },
        JSON.stringify(parameters),
      )
    }
  })

  test('a free lock: `slocket run` has the same status and output', async () => {
    for (const parameters of free) {
      const ours = await place.run([...RUN, ...parameters])
      const theirs = await place.run(['flock', ...parameters.map((word) => word.replace(/^L$/, 'F'))])
      const { status, signal, stdout } = theirs
      assert.deepEqual(
        { status: ours.status, signal: ours.signal, stdout: ours.stdout.replaceAll('L', 'F') },
        { status, signal, stdout },
        JSON.stringify(parameters),
      )
    }
  })

  const taken: readonly (readonly string[])[] = [
    ['-n', 'L', 'echo', 'mine'],
    ['--nb', 'L', 'echo', 'mine'],
    ['--nonblock', 'L', 'echo', 'mine'],
    ['--nonblocking', 'L', 'echo', 'mine'],
    ['-n', '-E', '44', 'L', 'echo', 'mine'],
    ['-w', '0.05', 'L', 'echo', 'mine'],
    ['--wait', '0.05', '--conflict-exit-code', '0', 'L', 'echo', 'mine'],
    ['-w', '0', '-E', '5', 'L', 'echo', 'mine'],
    ['-s', '-n', 'L', 'echo', 'mine'],
  ]
  test('a held lock: --verbose prints the same', async () => {
    await place.start(['flock', 'F', ...HOLD]).says(/pid/)
    await place.slocket('flock', 'G', ...HOLD).says(/pid/)
    for (const options of [['-n'], ['-w', '0'], ['-w', '0.05']]) {
      const theirs = await place.run(['flock', '--verbose', ...options, 'F', 'echo', 'mine'])
      const ours = await place.run([...FLOCK, '--verbose', ...options, 'G', 'echo', 'mine'])
      assert.deepEqual(ours, theirs, options.join(' '))
    }
  })

  for (const [mode, option] of [
    ['exclusively', '-x'],
    ['for sharing', '-s'],
  ] as const) {
    test(`a held lock, ${mode}: the same status and output`, async () => {
      await place.slocket('run', option, 'L', '--', ...HOLD).says(/pid/)
      await place.start(['flock', option, 'F', ...HOLD]).says(/pid/)
      await place.slocket('flock', option, 'G', ...HOLD).says(/pid/)
      for (const parameters of taken) {
        const theirs = await place.run(['flock', ...parameters.map((word) => word.replace(/^L$/, 'F'))])
        for (const [command, lock] of [
          [RUN, 'L'],
          [FLOCK, 'G'],
        ] as const) {
          const words = parameters.map((word) => word.replace(/^L$/, lock))
          const { status, stdout, stderr } = await place.run([...command, ...words])
          assert.deepEqual(
            { status, stdout, stderr },
            { status: theirs.status, stdout: theirs.stdout, stderr: '' },
            `${command.at(-1)} ${words.join(' ')}`,
          )
        }
      }
    })
  }
})
