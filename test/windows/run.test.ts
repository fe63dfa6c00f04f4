/** `slocket run` on Windows: the command has the lock's files open, so the lock lives as long as the command. */
import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import { slocket } from '../../src/index.ts'
import { programPath } from '../helpers/built.ts'
import { scenario } from '../helpers/scenario.ts'
import type { Scene } from '../helpers/scenario.ts'
import { until } from '../helpers/until.ts'
import { ELSEWHERE } from './on-windows.ts'

const skip = { skip: ELSEWHERE }
const LEAVE = { linger: 0 }

/** Says that it runs, and ends when a file appears. */
const COMMAND = `
const fs = require('node:fs')
const [, flag] = process.argv
fs.writeFileSync(flag + '.running', String(process.pid))
setInterval(() => fs.existsSync(flag) && process.exit(7), 10)`

interface Running {
  readonly process: ChildProcess
  readonly flag: string
  /** The process id of the command. */
  readonly pid: number
  ended(): Promise<number | null>
}

async function run(scene: Scene, ...words: string[]): Promise<Running> {
  const flag = `${scene.path}-${fs.readdirSync(scene.directory).length}`
  const parameters = [
    programPath('src/cli/main.js'),
    'run',
    scene.path,
    ...words,
    '--',
    process.execPath,
    '-e',
    COMMAND,
    flag,
  ]
  const child = spawn(process.execPath, parameters, { stdio: ['ignore', 'ignore', 'inherit'] })
  scene.onEnd(() => void child.kill('SIGKILL'))
  const exit = once(child, 'exit')
  await until(
    'the command runs',
    () => fs.existsSync(`${flag}.running`) && fs.readFileSync(`${flag}.running`, 'utf8') !== '',
  )
  const pid = Number(fs.readFileSync(`${flag}.running`, 'utf8'))
  return { process: child, flag, pid, ended: async () => ((await exit) as [number | null])[0] }
}

scenario("the lock is held while the command runs, and the command's exit status is passed on", skip, async (scene) => {
  const running = await run(scene)
  assert.equal(await slocket.try(scene.path), null)
  const { held } = await slocket.query(scene.path)
  assert.equal(held[0]?.pid, undefined === held[0] ? 0 : running.process.pid)
  const waiting = slocket(scene.path, LEAVE)
  fs.writeFileSync(running.flag, '')
  assert.equal(await running.ended(), 7)
  const lock = await waiting
  assert.equal(lock.recovered, false)
  await lock.release()
  await until('nothing is left', () => !fs.existsSync(scene.path))
})

scenario(
  'when slocket is killed, Windows ends the command with it, and the next holder has recovered',
  skip,
  async (scene) => {
    const running = await run(scene)
    const waiting = slocket(scene.path, LEAVE)
    running.process.kill('SIGKILL')
    const lock = await waiting
    assert.equal(lock.recovered, true)
    await until('the command has ended', () => !isRunning(running.pid))
    await lock.release()
  },
)

scenario('a process that the command has left behind, with the files open, keeps the lock', skip, async (scene) => {
  const flag = `${scene.path}-left`
  const left = `require('node:fs').writeFileSync(${JSON.stringify(flag)}, String(process.pid)); setTimeout(() => {}, 60000)`
  // Node hands on to a process of its own only what is named: all descriptors that may be those of the lock.
  const command = `
    const stdio = ['ignore', 'ignore', 'ignore']
    for (let descriptor = 3; descriptor < 20; descriptor += 1) {
      try { require('node:fs').fstatSync(descriptor); stdio[descriptor] = descriptor } catch { stdio[descriptor] = 'ignore' }
    }
    require('node:child_process').spawn(process.execPath, ['-e', ${JSON.stringify(left)}], { stdio, detached: true }).unref()
    setInterval(() => require('node:fs').existsSync(${JSON.stringify(flag)}) && process.exit(), 10)`
  const parameters = [programPath('src/cli/main.js'), 'run', scene.path, '--', process.execPath, '-e', command]
  const [status] = (await once(
    spawn(process.execPath, parameters, { stdio: ['ignore', 'ignore', 'inherit'] }),
    'exit',
  )) as [number]
  assert.equal(status, 0)
  const pid = Number(await until('the process has said who it is', () => fs.readFileSync(flag, 'latin1')))
  scene.onEnd(() => void (isRunning(pid) && process.kill(pid, 'SIGKILL')))
  assert.equal(await slocket.try(scene.path), null)
  const waiting = slocket(scene.path, LEAVE)
  process.kill(pid, 'SIGKILL')
  const lock = await waiting
  assert.equal(lock.recovered, true)
  await lock.release()
})

scenario('of two commands, one that does not wait fails', skip, async (scene) => {
  const running = await run(scene)
  const parameters = [programPath('src/cli/main.js'), 'run', '-n', scene.path, '--', process.execPath, '-e', '0']
  const [status] = (await once(spawn(process.execPath, parameters, { stdio: 'ignore' }), 'exit')) as [number]
  assert.equal(status, 1)
  fs.writeFileSync(running.flag, '')
  await running.ended()
})

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}
