/** `slocket status`. status.long.test.ts has more kinds of what is at the path, and many locks; break.test.ts has `slocket break`. */
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { SLOCKET, Workplace } from '../helpers/command.ts'
import type { Running } from '../helpers/command.ts'
import { untilWaiting } from '../helpers/lock-directory.ts'
import { untilStopped } from '../helpers/proc.ts'
import { until } from '../helpers/until.ts'

const HOLD = ['sh', '-c', 'echo pid $$; read line <fifo']

let place: Workplace
beforeEach(() => (place = new Workplace()))
afterEach(() => place.close())

interface Shown {
  readonly lock: string
  readonly error?: string
  readonly held: readonly ShownRow[]
  readonly waiting: readonly ShownRow[]
}

interface ShownRow {
  readonly mode: string
  readonly permits?: number
  readonly pid: number
  readonly since: string
  readonly label?: string
  readonly command?: string
  readonly answers: boolean
  readonly processes?: readonly { readonly pid: number; readonly command: string }[]
}

async function hold(...parameters: string[]): Promise<[Running, number]> {
  const holder = place.slocket('run', ...parameters, '--', ...HOLD)
  return [holder, Number((await holder.says(/pid (\d+)/))[1])]
}

async function statusOf(...places: string[]): Promise<Shown[]> {
  const { status, stdout, stderr } = await place.runSlocket('status', '--json', ...places)
  assert.deepEqual([status, stderr], [0, ''])
  return JSON.parse(stdout) as Shown[]
}

/** As soon as all who are shown have answered. On a busy machine that may take them longer than they are waited for. */
async function statusOfAll(): Promise<Shown[]> {
  return await until('all answer', async () => {
    const shown = await statusOf()
    return shown.every(({ held, waiting }) => [...held, ...waiting].every(({ answers }) => answers)) && shown
  })
}

describe('slocket status', () => {
  test('shows holders and waiters, by name and by directory', async () => {
    fs.mkdirSync(place.path('deep/er'), { recursive: true })
    const [holder] = await hold('--label', 'nightly', 'deep/er/a lock')
    const waiter = place.slocket('run', '-s', 'deep/er/a lock', '--', 'true')
    await untilWaiting(place.path('deep/er/a lock'), 1, waiter.pid)
    const [permit] = await hold('-p', '3', 'line\nbreak')
    const [first, second, ...rest] = await statusOfAll()
    assert.deepEqual(rest, [])
    assert.deepEqual([first?.lock, second?.lock], ['deep/er/a lock', 'line\nbreak'])
    const [one] = first!.held
    assert.deepEqual([one?.mode, one?.pid, one?.label, one?.answers], ['exclusive', holder.pid, 'nightly', true])
    assert.match(one!.command!, /^slocket run --label nightly deep\/er\/a lock -- sh -c/)
    assert.ok(Math.abs(Date.parse(one!.since) - Date.now()) < 60_000)
    assert.deepEqual(
      first!.waiting.map(({ mode, pid }) => [mode, pid]),
      [['shared', waiter.pid]],
    )
    assert.deepEqual(
      second!.held.map(({ permits, pid }) => [permits, pid]),
      [[3, permit.pid]],
    )
    const named = await statusOf('deep/er/a lock', 'nothing')
    assert.deepEqual(
      named.map(({ lock, held }) => [lock, held.length]),
      [
        ['deep/er/a lock', 1],
        ['nothing', 0],
      ],
    )

    const stdout = await until('all answer', async () => {
      const shown = await place.runSlocket('status')
      return !shown.stdout.includes('does not answer') && shown.stdout
    })
    assert.match(
      stdout,
      /^LOCK +STATE +MODE +PID +FOR +LABEL +COMMAND\ndeep\/er\/a lock +holds +exclusive +\d+ +\d+ s +nightly +slocket run /,
    )
    assert.match(stdout, /\n +waits +shared +\d+ +\d+ s +- +slocket run -s/)
    assert.match(stdout, /\nline\\u\{a\}break +holds +1 of 3/)
  })

  test('shows a stopped holder with data from /proc', async () => {
    const [holder] = await hold('L')
    holder.kill('SIGSTOP')
    await untilStopped(holder.pid)
    const [shown] = await statusOf('L')
    const [one] = shown!.held
    assert.deepEqual([one?.pid, one?.answers, one?.label], [holder.pid, false, undefined])
    assert.ok(one!.processes!.some(({ pid, command }) => pid === holder.pid && command.includes('run L')))
    assert.match((await place.runSlocket('status')).stdout, /\nL .* - +\S+ .*run L -- .*\(does not answer\)\n$/)
    holder.kill('SIGCONT')
  })

  test('shows the process that keeps the lock after a `slocket run` was killed', async () => {
    const [holder, command] = await hold('L')
    holder.kill('SIGKILL')
    await holder.exited()
    const [shown] = await statusOf('L')
    assert.deepEqual(
      shown!.held.map(({ pid, processes }) => [pid, processes]),
      [[holder.pid, [{ pid: command, command: `sh -c ${HOLD[2]}` }]]],
    )
    assert.match((await place.runSlocket('status')).stdout, new RegExp(`has ended; pid ${command} keeps its lock`))
  })

  test('reports entries that are not locks', async () => {
    fs.symlinkSync('elsewhere', place.path('link'))
    const { status, stdout, stderr } = await place.runSlocket('status', 'link')
    assert.deepEqual([status, stdout.split('\n')[1]], [66, 'link  blocked (link)'])
    assert.match(stderr, /symbolic link/)
    const found = await place.runSlocket('status', '--json', 'link')
    assert.equal(found.status, 66)
    const message = `'${place.path('link')}' is a symbolic link, not a lock; name its target`
    assert.deepEqual(JSON.parse(found.stdout), [
      { lock: 'link', obstacle: { kind: 'link', message }, held: [], waiting: [] },
    ])
  })

  test('escapes what others report about themselves', async () => {
    await hold('--label', 'a\u{1b}[2Jb\nc', 'L')
    const { stdout } = await place.runSlocket('status')
    assert.equal(stdout.split('\n').length, 3)
    assert.ok(!stdout.includes('\u{1b}'), stdout)
  })

  test('--watch ends when its output is closed', async () => {
    await hold('L')
    const { stdout } = await place.run(['sh', '-c', `${SLOCKET.join(' ')} status --watch --json | head -n 1`])
    assert.equal((JSON.parse(stdout) as Shown[])[0]?.held.length, 1)
  })
})
