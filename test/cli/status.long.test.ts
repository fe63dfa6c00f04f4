/** `slocket status` of many locks, of all that keeps a lock from being free, and in a small terminal. */
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { programPath } from '../helpers/built.ts'
import { SLOCKET, Workplace } from '../helpers/command.ts'
import type { Running } from '../helpers/command.ts'
import { untilStopped } from '../helpers/proc.ts'
import { reasonWithout } from '../helpers/privileges.ts'

const HOLD = ['sh', '-c', 'echo pid $$; read line <fifo']

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

let place: Workplace
beforeEach(() => (place = new Workplace()))
afterEach(() => place.close())

interface Shown {
  readonly lock: string
  readonly error?: string
  readonly held: readonly {
    readonly answers: boolean
    readonly processes?: readonly { readonly pid: number }[]
  }[]
}

async function hold(...parameters: string[]): Promise<Running> {
  const holder = place.slocket('run', ...parameters, '--', ...HOLD)
  await holder.says(/pid (\d+)/)
  return holder
}

describe('slocket status', () => {
  test('of any number of stopped holders waits for all of them together, and reads /proc once', async () => {
    const names = Array.from({ length: 40 }, (_, index) => `many/${String(index).padStart(2, '0')}`)
    fs.mkdirSync(place.path('many'))
    const program = `
      import slocket from ${JSON.stringify(pathToFileURL(programPath('src/index.js')).href)}
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

  test('reports a file that flock(1) has left, and everything else that keeps a lock from being free', async () => {
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

  test('reports a missing directory, at any depth and behind a link', async () => {
    fs.symlinkSync('nowhere', place.path('link'))
    for (const lock of ['missing/er/L', 'link/L']) {
      const { status, stdout, stderr } = await place.runSlocket('status', lock)
      assert.deepEqual([status, stdout.split('\n')[1]], [66, `${lock}  unknown`])
      assert.match(stderr, /the parent directory does not exist/)
    }
  })

  const withoutScript = reasonWithout('script', '-qec', 'true', '/dev/null')
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
    assert.match(lines[1]!, /^holds: has the lock {2}waits: in queue .*…$/)
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

  test('reports foreign entries in the directory of a held lock, besides its holder', async () => {
    const holder = await hold('L')
    fs.writeFileSync(place.path('L/notes.txt'), '')
    const { status, stdout, stderr } = await place.runSlocket('status')
    assert.equal(status, 66)
    assert.match(stdout, new RegExp(`\\nL +holds +exclusive +${holder.pid} `))
    assert.match(stderr, /'notes\.txt'/)
    fs.rmSync(place.path('L/notes.txt'))
    place.end()
    await holder.ended()
  })

  test('reports a missing directory', async () => {
    const { status, stdout, stderr } = await place.runSlocket('status', 'missing/L')
    assert.deepEqual([status, stdout.split('\n')[1]], [66, 'missing/L  unknown'])
    assert.match(stderr, /the parent directory does not exist/)
    const json = await place.runSlocket('status', '--json', 'missing/L')
    assert.equal(json.status, 66)
    assert.equal((JSON.parse(json.stdout) as Shown[])[0]?.error, 'ERR_SLOCKET_NO_PARENT')
  })

  test('does not follow links, so loops do no harm', async () => {
    fs.symlinkSync('.', place.path('here'))
    await hold('L')
    assert.deepEqual(
      (JSON.parse((await place.runSlocket('status', '--json')).stdout) as Shown[]).map(({ lock }) => lock),
      ['L'],
    )
  })

  test('--watch redraws in place, in colours unless NO_COLOR is set', { skip: withoutScript }, async () => {
    const holder = await hold('L')
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

  test('shows everything on a terminal without a size', { skip: withoutScript }, async () => {
    const holder = await hold('L')
    const line = `stty columns 0 rows 0; exec ${SLOCKET.join(' ')} status`
    const { stdout } = await place.run(['script', '-qec', line, '/dev/null'], { env: { NO_COLOR: '1' } })
    assert.match(
      stdout,
      new RegExp(`^LOCK .* COMMAND\\r\\nL +holds +exclusive +${holder.pid} .*read line <fifo\\r\\n$`),
    )
    place.end()
    await holder.ended()
  })
})
