/** The recipe of docs/recipes.md for a job that runs at most once in a period on several machines: a program, and a line of a crontab. */
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { SLOCKET } from '../helpers/command.ts'
import type { Running } from '../helpers/command.ts'
import { until } from '../helpers/until.ts'
import { node, placeExample } from '../examples/folder.ts'
import { addressOf } from './helpers/servers.ts'

const page = fs.readFileSync(fileURLToPath(new URL('../../../docs/recipes.md', import.meta.url)), 'utf8')
const [, section = ''] = /^## At most once in a period, on several machines\n([^]*?)^## /m.exec(page) ?? []
const [, program = ''] = /^```ts\n([^]*?)^```$/m.exec(section) ?? []
const [, command = ''] = /^```\n0 3 \* \* \* +(.*)\n```$/m.exec(section) ?? []

const MACHINES = 3

describe('a job that several machines start at the same time', () => {
  const place = placeExample('leader')
  after(() => place.close())

  /** Starts it on each machine, and returns the one that still runs once the others have ended well. */
  async function startAll(job: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Running> {
    const machines = Array.from({ length: MACHINES }, () => place.start(job, { env }))
    await until('all but one have ended', () => machines.filter(({ hasEnded }) => hasEnded).length >= MACHINES - 1)
    for (const machine of machines.filter(({ hasEnded }) => hasEnded)) {
      const { status, stderr } = await machine.ended()
      assert.deepEqual([status, stderr], [0, ''])
    }
    const [busy, ...others] = machines.filter(({ hasEnded }) => !hasEnded)
    assert.ok(busy !== undefined && others.length === 0)
    return busy
  }

  /** With a lock of its own, on the server of the tests; and with ten minutes, since the last process may take long to come to it. */
  const adapted = (text: string, lock: string): string =>
    text
      .replace('redis://cache.example', addressOf('redis'))
      .replace('atLeast: 60_000', 'atLeast: 600_000')
      .replace('--at-least 60 ', '--at-least 600 ')
      .replace('nightly-report', `${lock}-${process.pid}`)

  test('the program runs it on one of them, even if it is done before the others check', async () => {
    const code = adapted(program, 'program')
    const write = `import { appendFile } from 'node:fs/promises'
      async function write() { await appendFile('runs', 'run\\n') }\n`
    fs.writeFileSync(place.path('report.mjs'), write + code)
    const busy = await startAll(node('report.mjs'))
    assert.equal(fs.readFileSync(place.path('runs'), 'utf8'), 'run\n')
    const late = await place.run(node('report.mjs'))
    assert.deepEqual([late.status, late.stdout], [0, 'another machine runs it\n'], late.stderr)
    assert.equal(busy.hasEnded, false)
    busy.kill('SIGKILL')
    await busy.ended()
  })

  test('after the period it ends, and another machine runs it', async () => {
    fs.writeFileSync(place.path('runs'), '')
    const short = fs.readFileSync(place.path('report.mjs'), 'utf8').replace('atLeast: 600_000', 'atLeast: 100')
    fs.writeFileSync(place.path('short.mjs'), short.replace('program-', 'short-'))
    for (const runs of ['run\n', 'run\nrun\n']) {
      const { status, stderr } = await place.run(node('short.mjs'))
      assert.equal(status, 0, stderr)
      assert.equal(fs.readFileSync(place.path('runs'), 'utf8'), runs)
    }
  })

  test('the crontab line runs it on one of them, and is silent on the others', async () => {
    const bin = place.path('bin')
    fs.mkdirSync(bin)
    fs.writeFileSync(join(bin, 'slocket'), `#!/bin/sh\nexec ${SLOCKET.join(' ')} "$@"\n`, { mode: 0o755 })
    fs.writeFileSync(join(bin, 'report'), '#!/bin/sh\necho run >>cron-runs\n', { mode: 0o755 })
    const line = adapted(command, 'cron')
    const busy = await startAll(['/bin/sh', '-c', `exec ${line}`], { PATH: `${bin}:/usr/bin:/bin` })
    assert.equal(fs.readFileSync(place.path('cron-runs'), 'utf8'), 'run\n')
    const late = await place.run(['/bin/sh', '-c', line], { env: { PATH: `${bin}:/usr/bin:/bin` } })
    assert.deepEqual([late.status, late.stdout, late.stderr], [0, '', ''])
    assert.equal(fs.readFileSync(place.path('cron-runs'), 'utf8'), 'run\n')
    busy.kill('SIGTERM')
    await busy.ended()
  })
})
