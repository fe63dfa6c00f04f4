/** What is printed cannot be written: the disk is full, or the reader has gone. */
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { afterEach, beforeEach, test } from 'node:test'
import { SLOCKET, Workplace } from '../helpers/command.ts'
import type { Ending } from '../helpers/command.ts'

let place: Workplace
beforeEach(() => (place = new Workplace()))
afterEach(() => place.close())

/** @param parameters of a command that prints */
export function testOutput(...parameters: readonly string[]): void {
  const name = `slocket ${parameters.join(' ')}`

  test(`${name}: a full disk is an error`, async () => {
    const { status, stderr } = await runInto('>/dev/full', parameters)
    assert.equal(status, 74)
    assert.match(stderr, /^slocket: [-a-z]+: the output cannot be written: ENOSPC: .*\n$/)
    assert.deepEqual(fs.readdirSync(place.directory), ['fifo'])
  })

  test(`${name}: a closed pipe ends it silently, like other commands`, async () => {
    // The pipe has no reader from its first moment on.
    const { stdout, stderr } = await place.run([
      'bash',
      '-c',
      'exec 3> >(:); wait $!; "$@" >&3; echo $?',
      '-',
      ...SLOCKET,
      ...parameters,
    ])
    assert.deepEqual([stdout, stderr], [`${128 + 13}\n`, ''])
    assert.deepEqual(fs.readdirSync(place.directory), ['fifo'])
  })
}

/** Runs `slocket` with its output sent to where `redirection` says. */
async function runInto(redirection: string, parameters: readonly string[]): Promise<Ending> {
  return await place.run(['bash', '-c', `"$@" ${redirection}`, '-', ...SLOCKET, ...parameters])
}
