/** A thread that only blocks takes no turn of the event loop. Whatever it opens, it must close without one. */
import assert from 'node:assert/strict'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { Program } from '../helpers/program.ts'
import { untilGone } from '../helpers/lock-directory.ts'
import { exceptOnWindows } from '../helpers/windows.ts'

const FEW = 64
/** A thread that is started opens many modules at once. */
const FOR_TWO_THREADS = 200
const options = { skip: exceptOnWindows('there, members have no sockets') }

let parent: string
let lockPath: string
let programs: Program[]
beforeEach(() => {
  parent = fs.mkdtempSync(path.join(os.tmpdir(), 'slocket-blocking-'))
  lockPath = path.join(parent, 'lock')
  programs = []
})
afterEach(() => {
  for (const program of programs) program.signal('SIGKILL')
  fs.rmSync(parent, { recursive: true, force: true })
})

function start(body: string, programOptions: ConstructorParameters<typeof Program>[2] = {}): Program {
  const program = new Program(lockPath, body, programOptions)
  programs.push(program)
  return program
}

/** A process whose member stays at the path, without a ticket. */
async function startIdle(at: string): Promise<Program> {
  const body = `await (await slocket(${at}, { linger: 600_000 })).release(); say('idle'); setInterval(() => {}, 1000)`
  const idle = start(body)
  assert.equal(await idle.next(), 'idle')
  return idle
}

/** Calls one after the other, without a turn of the event loop, and more of them than there are descriptors. */
const loop = (call: string, descriptors: number = FEW): string => `
  for (let n = 0; n < ${2 * descriptors}; n += 1) { ${call} }
  say('blocked'); hear(); setInterval(() => {}, 1000)`

const CALLS: Readonly<Record<string, readonly [at: string, call: string]>> = {
  'slocket.sync': ['lockPath', `slocket.sync(lockPath, { linger: 0 }).release()`],
  'lockSync of slocket/proper-lockfile': ["lockPath + '.lock'", `lockfile.lockSync(lockPath, { realpath: false })()`],
}
for (const [what, [at, call]] of Object.entries(CALLS)) {
  test(`any number of calls of ${what} beside an idle process, without a turn of the event loop`, options, async () => {
    await startIdle(at)
    assert.equal(await start(loop(call), { descriptors: FEW }).next(), 'blocked')
  })
}

test('the same beside dead members, whose sockets are removed in the next turn', options, async () => {
  const dead = await Promise.all([1, 2, 3].map(async () => await startIdle('lockPath')))
  for (const program of dead) program.signal('SIGKILL')
  for (const program of dead) await program.ended()
  const blocking = start(loop(CALLS['slocket.sync']![1]), { descriptors: FEW })
  assert.equal(await blocking.next(), 'blocked')
  assert.equal(fs.readdirSync(path.join(lockPath, '.members')).length, dead.length)
  blocking.goOn()
  await untilGone(lockPath)
})

/** The last user of the lock removes its directory before each call can make a socket there. */
const VANISHING = `
import net from 'node:net'
const { listen } = net.Server.prototype
let vanished = 0
net.Server.prototype.listen = function (...parameters) {
  fs.rmSync(lockPath, { recursive: true })
  vanished += 1
  return listen.apply(this, parameters)
}
`

test('any number of calls whose directory vanishes, without a turn of the event loop', options, async () => {
  const body = loop('slocket.sync(lockPath, { linger: 0 }).release()', FOR_TWO_THREADS) + '\nsay(vanished)'
  const blocking = start(body, { before: VANISHING, descriptors: FOR_TWO_THREADS })
  assert.equal(await blocking.next(), 'blocked')
  blocking.goOn()
  assert.equal(await blocking.next(), 2 * FOR_TWO_THREADS)
})

/** Another process joins between the first listing of each call and its ticket, and leaves again before the call blocks. */
const INTERRUPTED = `
const { linkSync, unlinkSync } = fs
let other
fs.linkSync = (from, to) => {
  linkSync(from, to)
  const { name, dir } = path.parse(to)
  const [socket] = fs.readdirSync(path.join(dir, '.members')).filter((one) => one !== path.basename(from))
  other = path.join(dir, name.replace(/\\d{19}/, (number) => String(BigInt(number) + 1n).padStart(19, '0')))
  linkSync(path.join(dir, '.members', socket), other)
}
fs.unlinkSync = (file) => {
  if (other !== undefined && file.includes('.members/')) {
    unlinkSync(other)
    other = undefined
    interrupted += 1
  }
  unlinkSync(file)
}
import { syncBuiltinESMExports } from 'node:module'
import path from 'node:path'
let interrupted = 0
syncBuiltinESMExports()
`

test(
  'any number of calls that another process gets in between, without a turn of the event loop',
  options,
  async () => {
    await startIdle('lockPath')
    const body = loop('slocket.sync(lockPath).release()', FOR_TWO_THREADS) + '\nsay(interrupted)'
    const blocking = start(body, { before: INTERRUPTED, descriptors: FOR_TWO_THREADS })
    assert.equal(await blocking.next(), 'blocked')
    blocking.goOn()
    assert.equal(await blocking.next(), 2 * FOR_TWO_THREADS)
  },
)
