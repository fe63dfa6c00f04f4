/** doctor, help, and what there is not. doctor.long.test.ts has the problems that doctor finds. */
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { runCommandNamed } from '../../src/cli/commands.ts'
import { HELP } from '../../src/cli/help.ts'
import { Workplace } from '../helpers/command.ts'

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
