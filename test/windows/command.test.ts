/** The command `slocket` on Windows: status, break, doctor, flock, and what there is not. `slocket run` is in run.test.ts. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { slocket } from '../../src/index.ts'
import { programPath } from '../helpers/built.ts'
import { scenario } from '../helpers/scenario.ts'
import type { Scene } from '../helpers/scenario.ts'
import { until } from '../helpers/until.ts'
import { ELSEWHERE } from './on-windows.ts'

const skip = { skip: ELSEWHERE }

interface Ending {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs the command to its end. */
async function runSlocket(scene: Scene, ...words: string[]): Promise<Ending> {
  const child = spawn(process.execPath, [programPath('src/cli/main.js'), ...words], {
    cwd: scene.directory,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  scene.onEnd(() => void child.kill('SIGKILL'))
  let [stdout, stderr] = ['', '']
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  const status = await new Promise<number | null>((resolve) => child.once('close', resolve))
  return { status, stdout, stderr }
}

scenario('slocket status shows holders and waiters', skip, async (scene) => {
  const [holder, waiter] = await scene.spawnAll('holder', 'waiter')
  await holder.acquire(scene.path, { label: 'nightly' })
  await waiter.enqueue(scene.path)
  const { status, stdout, stderr } = await runSlocket(scene, 'status', '--json', 'lock')
  assert.equal(status, 0, stderr)
  assert.match(stdout, new RegExp(`"pid": ?${holder.pid}\\b[^]*"label": ?"nightly"[^]*"pid": ?${waiter.pid}\\b`))
})

scenario('slocket break takes a lock from its holder, and the next waiter gets it', skip, async (scene) => {
  const [holder, next] = await scene.spawnAll('holder', 'next')
  await holder.acquire(scene.path, { label: 'nightly' })
  await next.enqueue(scene.path)
  scene.journal.write({ kind: '!', who: holder.name })
  const { status, stdout, stderr } = await runSlocket(scene, 'break', '--yes', 'lock')
  assert.equal(status, 0, stderr)
  assert.match(stdout, new RegExp(`^pid ${holder.pid}: exclusive; nightly`))
  assert.equal((await holder.next('lost')).code, 'ERR_SLOCKET_LOST')
  await next.next('granted')
  await next.release()
})

scenario('slocket break cannot take a lock from a blocking process, and says so', skip, async (scene) => {
  const holder = await scene.spawn('holder')
  await holder.acquire(scene.path)
  holder.send({ do: 'block', ms: 60_000 })
  await holder.next('blocking')
  const { status, stderr } = await runSlocket(scene, 'break', '--yes', 'lock')
  assert.equal(status, 71)
  assert.match(stderr, /1 of 1 holders of the lock .* still have it after 5 s/)
  assert.equal(await slocket.try(scene.path), null)
  await holder.kill()
})

scenario('slocket doctor names the ticket, the witness and the bell in use', skip, async (scene) => {
  const { status, stdout, stderr } = await runSlocket(scene, 'doctor', '--json')
  assert.equal(status, 0, stdout + stderr)
  const { findings } = JSON.parse(stdout) as { findings: Record<string, { kind: string; text: string }> }
  assert.deepEqual(
    ['ticket', 'witness', 'bell'].map((name) => findings[name]?.text),
    [
      'a file that its owner has open without sharing; it goes when it is closed',
      'the kernel opens no such file a second time',
      'a named pipe',
    ],
  )
  assert.equal(findings['death of a holder']?.kind, 'good')
  assert.deepEqual(fs.readdirSync(scene.directory), [])
})

scenario('slocket flock holds the lock beside a file, and rejects another one with -n', skip, async (scene) => {
  const flag = `${scene.path}-flag`
  const command = `require('node:fs').writeFileSync(${JSON.stringify(flag)}, '')
    setInterval(() => require('node:fs').existsSync(${JSON.stringify(flag)}) || process.exit(7), 10)`
  const first = runSlocket(scene, 'flock', 'file', process.execPath, '-e', command)
  await until('the command runs', () => fs.existsSync(flag))
  assert.equal((await runSlocket(scene, 'flock', '-n', 'file', process.execPath, '-e', '0')).status, 1)
  fs.rmSync(flag)
  assert.equal((await first).status, 7)
})

scenario(
  'slocket run -c runs a line like cmd does, including quotes, and exits with its status',
  skip,
  async (scene) => {
    const { status, stderr } = await runSlocket(scene, 'run', 'lock', '-c', 'echo "a  b">out& exit 7')
    assert.equal(status, 7, stderr)
    assert.equal(fs.readFileSync(path.join(scene.directory, 'out'), 'utf8').trimEnd(), '"a  b"')
  },
)

scenario('a LOCK with a name that Windows reserves is a usage error, whatever the command', skip, async (scene) => {
  for (const words of [
    ['run', 'NUL', '--', 'none'],
    ['run', '--parents', 'new/com1.lock', '--', 'none'],
    ['status', 'NUL'],
    ['break', '--yes', 'a?'],
  ]) {
    const { status, stderr } = await runSlocket(scene, ...words)
    assert.equal(status, 64, `${words.join(' ')}: ${stderr}`)
    assert.match(stderr, /ends in a name that Windows reserves or doesn't allow/)
  }
  assert.deepEqual(fs.readdirSync(scene.directory), [])
})

scenario('slocket hold is an error: the system does not report when a process was started', skip, async (scene) => {
  const { status, stderr } = await runSlocket(scene, 'hold', 'lock')
  assert.equal(status, 64)
  assert.match(stderr, /slocket hold needs \/proc/)
  assert.equal(fs.existsSync(scene.path), false)
})

scenario('slocket run rejects more permits than a request can take on Windows', skip, async (scene) => {
  const { status, stderr } = await runSlocket(scene, 'run', '-p', '200', '--take', '101', 'lock', '--', 'none')
  assert.equal(status, 64)
  assert.match(stderr, /take must be 100 at most on Windows/)
})

scenario('slocket.sync rejects them like slocket does', skip, async (scene) => {
  assert.throws(() => slocket.sync(scene.path, { permits: 200, take: 101 }), RangeError)
  await assert.rejects(slocket(scene.path, { permits: 200, take: 101 }), RangeError)
})
