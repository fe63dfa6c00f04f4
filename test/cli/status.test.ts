import assert from 'node:assert/strict'
import fs from 'node:fs'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { slocket } from '../../src/index.ts'
import { SLOCKET, Workplace } from '../helpers/command.ts'
import type { Running } from '../helpers/command.ts'
import { ticketsIn, untilWaiting } from '../helpers/lock-directory.ts'
import { untilStopped } from '../helpers/proc.ts'
import { reasonWithout } from '../helpers/privileges.ts'
import { until } from '../helpers/until.ts'

const HOLD = ['sh', '-c', 'echo pid $$; read line <fifo']

/** Has nobody look by the clock: only what is told makes a difference. */
const NO_CLOCK =
  'data:text/javascript,' +
  encodeURIComponent(`
    import timers from 'node:timers'
    import { syncBuiltinESMExports } from 'node:module'
    for (const name of ['setTimeout', 'setInterval']) {
      const start = timers[name]
      timers[name] = (call, ms, ...rest) => start(call, ms >= 1000 ? 2 ** 30 : ms, ...rest)
    }
    syncBuiltinESMExports()`)

/** Says at the end how many connections were open at a time, and how often the table of sockets was read. */
const COUNT =
  'data:text/javascript,' +
  encodeURIComponent(`
    import fs from 'node:fs'
    import net from 'node:net'
    import { syncBuiltinESMExports } from 'node:module'
    const { connect } = net, { readFileSync } = fs
    let open = 0, connecting = 0, looks = 0
    net.connect = (...all) => {
      connecting = Math.max(connecting, (open += 1))
      return connect(...all).once('close', () => (open -= 1))
    }
    fs.readFileSync = (file, ...all) => {
      if (file === '/proc/net/unix') looks += 1
      return readFileSync(file, ...all)
    }
    syncBuiltinESMExports()
    process.once('exit', () => console.error(JSON.stringify({ connecting, looks })))`)

const AS_NOBODY = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups']

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
  test('shows who holds and who waits, by name and by the directory', async () => {
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

  test('a holder that is stopped is shown by what /proc tells', async () => {
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

  test('of any number of locks whose holders are stopped: all are waited for together, and /proc is looked at once', async () => {
    const names = Array.from({ length: 40 }, (_, index) => `many/${String(index).padStart(2, '0')}`)
    fs.mkdirSync(place.path('many'))
    const program = `
      import slocket from ${JSON.stringify(new URL('../../src/index.js', import.meta.url).href)}
      for (const name of ${JSON.stringify(names)}) await slocket(name)
      console.log('pid', process.pid)
      setInterval(() => {}, 1e6)`
    const holder = place.start([process.execPath, '--input-type=module', '-e', program])
    await holder.says(/pid/)
    holder.kill('SIGSTOP')
    await untilStopped(holder.pid)
    const ending = await place.run([...SLOCKET, 'status', '--json'], { env: { NODE_OPTIONS: `--import=${COUNT}` } })
    assert.deepEqual(JSON.parse(ending.stderr), { connecting: names.length, looks: 1 })
    const shown = JSON.parse(ending.stdout) as Shown[]
    assert.deepEqual(
      shown.map(({ lock, held: [one] }) => [lock, one?.answers, one?.processes?.map(({ pid }) => pid)]),
      names.map((name) => [name, false, [holder.pid]]),
    )
  })

  test('of a `slocket run` that was killed, the process that keeps the lock is shown', async () => {
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

  test('what is no lock is told of', async () => {
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

  test('the file that flock(1) has left is told of, and so is all else that keeps a lock from being free', async () => {
    fs.writeFileSync(place.path('file'), '')
    const leaveSocket = `const server = require('net').createServer().listen('other', () => {
      require('fs').linkSync('other', 'socket'); server.close() })`
    await place.run([process.execPath, '-e', leaveSocket])
    for (const [lock, kind] of [
      ['file', 'file'],
      ['fifo', 'fifo'],
      ['socket', 'dead-socket'],
      ['/dev/null', 'device'],
    ] as const) {
      const { status, stdout, stderr } = await place.runSlocket('status', lock)
      assert.deepEqual([status, stdout.split('\n')[1]!.replace(/ +/, ' ')], [66, `${lock} blocked (${kind})`])
      assert.match(stderr, /^slocket: '.*' is a .*\n$/)
      const json = await place.runSlocket('status', '--json', lock, 'free')
      const shown = JSON.parse(json.stdout) as { obstacle?: { kind: string } }[]
      assert.deepEqual([json.status, shown.map(({ obstacle }) => obstacle?.kind)], [66, [kind, undefined]])
      const broken = await place.runSlocket('break', '--yes', lock)
      assert.notEqual(broken.status, 0)
      assert.match(broken.stderr, /' is a /)
    }
  })

  test('what has been put into the directory of a lock in use is told of, beside its holder', async () => {
    const [holder] = await hold('L')
    fs.writeFileSync(place.path('L/notes.txt'), '')
    const { status, stdout, stderr } = await place.runSlocket('status')
    assert.equal(status, 66)
    assert.match(stdout, new RegExp(`\\nL +holds +exclusive +${holder.pid} `))
    assert.match(stderr, /'notes\.txt'/)
    fs.rmSync(place.path('L/notes.txt'))
    place.end()
    await holder.ended()
  })

  test('a lock in a directory that is missing is told of', async () => {
    fs.symlinkSync('nowhere', place.path('link'))
    for (const lock of ['missing/L', 'missing/er/L', 'link/L']) {
      const { status, stdout, stderr } = await place.runSlocket('status', lock)
      assert.deepEqual([status, stdout.split('\n')[1]], [66, `${lock}  unknown`])
      assert.match(stderr, /the parent directory does not exist/)
    }
    const json = await place.runSlocket('status', '--json', 'missing/L')
    assert.equal(json.status, 66)
    assert.equal((JSON.parse(json.stdout) as Shown[])[0]?.error, 'ERR_SLOCKET_NO_PARENT')
  })

  test('links are not followed, so that none leads round', async () => {
    fs.symlinkSync('.', place.path('here'))
    await hold('L')
    assert.deepEqual(
      (await statusOf()).map(({ lock }) => lock),
      ['L'],
    )
  })

  test('what others say of themselves does nothing to the terminal', async () => {
    await hold('--label', 'a\u{1b}[2Jb\nc', 'L')
    const { stdout } = await place.runSlocket('status')
    assert.equal(stdout.split('\n').length, 3)
    assert.ok(!stdout.includes('\u{1b}'), stdout)
  })

  test('--watch ends when nobody reads it', async () => {
    await hold('L')
    const { stdout } = await place.run(['sh', '-c', `${SLOCKET.join(' ')} status --watch --json | head -n 1`])
    assert.equal((JSON.parse(stdout) as Shown[])[0]?.held.length, 1)
  })

  const withoutScript = reasonWithout('script', '-qec', 'true', '/dev/null')
  test('--watch redraws in place, in colours but for NO_COLOR', { skip: withoutScript }, async () => {
    const [holder] = await hold('L')
    const start = (first: string): Running => {
      const line = `${first}; stty columns 200 rows 20; exec ${SLOCKET.join(' ')} status --watch`
      return place.start(['script', '-qec', line, '/dev/null'], { env: { TERM: 'xterm' } })
    }
    const coloured = start('unset NO_COLOR NODE_DISABLE_COLORS CI')
    const plain = start('export NO_COLOR=1')
    const row = (escape: string): RegExp => new RegExp(`${escape}L +holds +exclusive +${holder.pid}`)
    await coloured.says(row('\\[32m'))
    await plain.says(row('\\n'))
    place.end()
    await holder.ended()
    await coloured.says(/no locks here/)
    for (const watch of [coloured, plain]) watch.type('\u{3}')
    await Promise.all([coloured.ended(), plain.ended()])
    assert.doesNotMatch(plain.stdout, /\[3\dm/)
    assert.equal(plain.stdout.split('\u{1b}[2J').length, 2)
  })

  test('a terminal without a size shows all', { skip: withoutScript }, async () => {
    const [holder] = await hold('L')
    const line = `stty columns 0 rows 0; exec ${SLOCKET.join(' ')} status`
    const { stdout } = await place.run(['script', '-qec', line, '/dev/null'], { env: { NO_COLOR: '1' } })
    assert.match(
      stdout,
      new RegExp(`^LOCK .* COMMAND\\r\\nL +holds +exclusive +${holder.pid} .*read line <fifo\\r\\n$`),
    )
    place.end()
    await holder.ended()
  })

  test('--watch shows what fits', { skip: withoutScript }, async () => {
    for (const lock of ['L1', 'L2', 'L3', 'L4']) await hold('--label', 'x'.repeat(30), lock)
    const line = `stty columns 40 rows 6; exec ${SLOCKET.join(' ')} status --watch`
    const watch = place.start(['script', '-qec', line, '/dev/null'], { env: { TERM: 'xterm', NO_COLOR: '1' } })
    await watch.says(/\[J/u)
    const [screen] = watch.stdout.split('\u{1b}[J')
    const lines = screen!
      .replaceAll('\u{1b}', '')
      .replaceAll(/\[[0-9;?]*[A-Za-z]/gu, '')
      .split('\r\n')
    assert.match(lines[1]!, /^holds: has the lock {2}waits: in line, .*…$/)
    assert.ok(lines[1]!.length <= 40)
    assert.deepEqual(
      lines.slice(2).map((text) => [text.slice(0, 2), text.length <= 40]),
      [
        ['LO', true],
        ['L1', true],
        ['L2', true],
        ['', true],
      ],
    )
    watch.type('\u{3}')
    await watch.ended()
  })
})

describe('slocket break', () => {
  test('takes it away from those it shows, and the next one has it', async () => {
    const [holder, command] = await hold('--label', 'nightly', 'L')
    const next = place.slocket('run', 'L', '--', 'echo', 'mine')
    await untilWaiting(place.path('L'), 1, next.pid)
    const refused = await place.run(['sh', '-c', `echo no | ${SLOCKET.join(' ')} break L`])
    assert.deepEqual([refused.status, ticketsIn(place.path('L')).length], [1, 2])
    const accepted = await place.run(['sh', '-c', `echo yes | ${SLOCKET.join(' ')} break L`])
    assert.equal(accepted.status, 0)
    assert.match(accepted.stdout, new RegExp(`pid ${holder.pid}: exclusive; nightly; .*slocket run`))
    assert.match(accepted.stdout, /1 waiting/)
    assert.equal((await next.ended()).stdout, 'mine\n')
    await holder.complains(/was lost/)
    place.end()
    assert.ok(command > 0)
    assert.equal((await holder.ended()).status, 0)
  })

  test('takes it away from nobody who came while it asked', async () => {
    await hold('L')
    const asking = place.slocket('break', 'L')
    await asking.says(/Take it away/)
    const next = place.slocket('run', 'L', '--', 'sh', '-c', 'echo pid $$; read line <fifo')
    await untilWaiting(place.path('L'), 1, next.pid)
    place.end()
    await next.says(/pid/)
    asking.type('yes\n')
    assert.equal((await asking.ended()).status, 0)
    assert.equal((await place.runSlocket('run', '-n', 'L', 'true')).status, 1)
  })

  test('takes it away from nobody who has the ticket of the one that it has shown', async () => {
    const lock = place.path('L')
    const first = await slocket(lock, { label: 'job 1' })
    const second = slocket(lock, { label: 'job 2' })
    const asking = place.slocket('break', 'L')
    await asking.says(/job 1[^]*Take it away/)
    await first.release()
    const held = await second
    asking.type('yes\n')
    assert.equal((await asking.ended()).status, 0)
    assert.equal(held.held, true)
    await held.release()
  })

  for (const isStopped of [false, true]) {
    test(`has all look at once whom it concerns${isStopped ? ', though the holder be stopped' : ''}`, async () => {
      const env = { NODE_OPTIONS: `--import=${NO_CLOCK}` }
      const holder = place.start([...SLOCKET, 'run', 'L', '--', ...HOLD], { env })
      await holder.says(/pid/)
      const next = place.start([...SLOCKET, 'run', 'L', '--', 'echo', 'mine'], { env })
      await untilWaiting(place.path('L'), 1, next.pid)
      if (isStopped) {
        holder.kill('SIGSTOP')
        await untilStopped(holder.pid)
      }
      assert.equal((await place.runSlocket('break', '--yes', 'L')).status, 0)
      assert.equal((await next.ended()).stdout, 'mine\n')
      if (isStopped) holder.kill('SIGCONT')
      await holder.complains(/was lost/)
      place.end()
      await holder.ended()
    })
  }

  test('takes nothing for a yes but yes', async () => {
    await hold('L')
    for (const answer of [String.raw`y\n`, String.raw`yes please\n`, String.raw`\n`, '']) {
      const { status } = await place.run(['sh', '-c', `printf "$1" | ${SLOCKET.join(' ')} break L`, '-', answer])
      assert.deepEqual([answer, status, ticketsIn(place.path('L')).length], [answer, 1, 1])
    }
    assert.equal((await place.runSlocket('break', '--yes', 'L', 'M')).status, 64)
  })

  test('of a `slocket run` that was killed, shows the process that keeps the lock', async () => {
    const [holder, command] = await hold('L')
    holder.kill('SIGKILL')
    await holder.exited()
    const { status, stdout } = await place.runSlocket('break', '--yes', 'L')
    assert.equal(status, 0)
    assert.match(stdout, new RegExp(`^pid ${holder.pid}: exclusive;.* pid ${command} has its socket: sh -c`))
    assert.equal((await place.runSlocket('run', '-n', 'L', 'true')).status, 0)
  })

  test('asks nobody with --yes, and breaks nothing that nobody holds', async () => {
    await hold('-s', 'L')
    await hold('-s', 'L')
    const silent = await place.run(['sh', '-c', `${SLOCKET.join(' ')} break L </dev/null`])
    assert.equal(silent.status, 64)
    assert.equal((await place.runSlocket('break', '--yes', 'L')).status, 0)
    assert.deepEqual(ticketsIn(place.path('L')), [])
    const { status, stderr } = await place.runSlocket('break', '--yes', 'nothing')
    assert.deepEqual([status, stderr], [1, "slocket: nobody holds 'nothing'\n"])
    // Both: one reads the line, the other one the end of the file.
    place.end()
  })

  test(
    'tells where it may not',
    { skip: reasonWithout(AS_NOBODY[0]!, ...AS_NOBODY.slice(1), ...SLOCKET, '--version') },
    async () => {
      await hold('L')
      fs.chmodSync(place.directory, 0o755)
      const { status, stderr } = await place.run([...AS_NOBODY, ...SLOCKET, 'break', '--yes', 'L'])
      assert.equal(status, 71)
      assert.match(stderr, /1 of 1 holders of the lock .* cannot be taken away/)
      assert.equal((await place.runSlocket('run', '-n', 'L', 'true')).status, 1)
      place.end()
    },
  )
})
