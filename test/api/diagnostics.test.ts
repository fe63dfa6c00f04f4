import assert from 'node:assert/strict'
import { AsyncLocalStorage } from 'node:async_hooks'
import diagnostics from 'node:diagnostics_channel'
import fs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import slocket, { local, LockManager, memory } from '../../src/index.ts'
import * as lockfile from '../../src/compat/proper-lockfile.ts'
import type { LockTrace, SlocketError } from '../../src/index.ts'
import { until } from '../helpers/until.ts'
import { NO_REMOVAL } from '../helpers/windows.ts'

const CHANNELS = [
  'tracing:slocket:acquire:start',
  'slocket:wait',
  'slocket:grant',
  'tracing:slocket:acquire:error',
  'tracing:slocket:acquire:asyncEnd',
  'slocket:downgrade',
  'slocket:release',
  'slocket:lost',
]
const directory = fs.mkdtempSync(join(tmpdir(), 'slocket-diagnostics-'))
after(() => fs.rmSync(directory, { recursive: true, force: true }))
const subscriptions: [string, (message: unknown) => void][] = []

/** The published messages, in order. */
function listen(): { readonly channel: string; readonly trace: LockTrace }[] {
  const told: { channel: string; trace: LockTrace }[] = []
  for (const channel of CHANNELS) {
    const onMessage = (message: unknown): void => void told.push({ channel, trace: message as LockTrace })
    diagnostics.subscribe(channel, onMessage)
    subscriptions.push([channel, onMessage])
  }
  return told
}

afterEach(() => {
  for (const [channel, onMessage] of subscriptions.splice(0)) diagnostics.unsubscribe(channel, onMessage)
})

function channelsOf(told: ReturnType<typeof listen>): string[] {
  return told.map(({ channel }) => channel.replace('tracing:slocket:acquire:', '').replace('slocket:', ''))
}

test('a free lock publishes start, end, grant and release with the same object', async () => {
  const told = listen()
  const engine = memory()
  const lock = await slocket('a', { engine, mode: 'shared', label: 'reader' })
  await lock.release()
  // It has not waited, and nobody says so later.
  await turn()
  assert.deepEqual(channelsOf(told), ['start', 'asyncEnd', 'grant', 'release'])
  assert.equal(new Set(told.map(({ trace }) => trace)).size, 1)
  const { waitMs, holdMs, ...facts } = told[0]!.trace as LockTrace & { result?: unknown }
  assert.ok(waitMs! >= 0 && holdMs! >= 0)
  assert.deepEqual(
    { ...facts, result: undefined },
    {
      name: 'a',
      mode: 'shared',
      permits: undefined,
      take: undefined,
      label: 'reader',
      isTry: false,
      token: lock.token,
      recovered: false,
      result: undefined,
    },
  )
})

test('a wait is published, and so is the reason if it is cancelled or times out', async () => {
  const told = listen()
  const engine = memory()
  const first = await slocket('a', { engine })
  assert.equal(await slocket.try('a', { engine }), null)
  const controller = new AbortController()
  const waiting = slocket('a', { engine, signal: controller.signal })
  await until('it says that it waits', () => channelsOf(told).includes('wait'))
  controller.abort(new Error('enough'))
  await assert.rejects(waiting, /enough/)
  assert.match(String(told.at(-1)!.trace.error), /enough/)
  assert.deepEqual(channelsOf(told), [
    'start',
    'asyncEnd',
    'grant',
    'start',
    'asyncEnd',
    'start',
    'wait',
    'error',
    'asyncEnd',
  ])
  assert.deepEqual(
    told.slice(3, 5).map(({ trace }) => trace.isTry),
    [true, true],
  )
  await assert.rejects(slocket('a', { engine, timeout: 20 }), { code: 'ERR_SLOCKET_TIMEOUT' })
  const last = told.at(-1)!.trace
  assert.equal((last.error as { code?: string }).code, 'ERR_SLOCKET_TIMEOUT')
  assert.ok(last.waitMs! >= 15)
  await first.release()
  assert.deepEqual(channelsOf(told).slice(-3), ['error', 'asyncEnd', 'release'])
})

test('a late subscriber gets the release', async () => {
  const lock = await slocket('a', { engine: memory() })
  const told = listen()
  await lock.release()
  assert.deepEqual(
    told.map(({ channel, trace }) => [channel, trace.name, trace.holdMs]),
    [['slocket:release', 'a', undefined]],
  )
})

test('a loss is published with its reason and the duration of the hold', { skip: NO_REMOVAL }, async () => {
  const told = listen()
  const path = join(directory, 'lost')
  const lock = await slocket(path, { engine: local() })
  fs.rmSync(path, { recursive: true })
  await until('the loss is told of', () => channelsOf(told).includes('lost'))
  assert.deepEqual(channelsOf(told), ['start', 'asyncEnd', 'grant', 'lost'])
  const { trace } = told.at(-1)!
  assert.deepEqual([trace, (trace.error as { code?: string }).code], [told[0]?.trace, 'ERR_SLOCKET_LOST'])
  assert.ok(trace.holdMs! >= 0)
  await lock.release()
  assert.equal(told.length, 4)
})

test('a blocking call publishes on the same channels, in its own thread, before it returns', () => {
  const told = listen()
  const path = join(directory, 'sync')
  const lock = slocket.sync(path, { mode: 'shared', label: 'reader', linger: 0 })
  assert.deepEqual(channelsOf(told), ['start', 'asyncEnd', 'grant'])
  lock.release()
  lock.release()
  assert.deepEqual(channelsOf(told), ['start', 'asyncEnd', 'grant', 'release'])
  assert.equal(new Set(told.map(({ trace }) => trace)).size, 1)
  const { name, mode, label, isTry, waitMs, token, recovered, holdMs } = told[0]!.trace
  assert.deepEqual(
    { name, mode, label, isTry, token, recovered },
    { name: path, mode: 'shared', label: 'reader', isTry: false, token: lock.token, recovered: false },
  )
  assert.ok(waitMs! >= 0 && holdMs! >= 0)
})

test('a blocking call publishes why it failed', async () => {
  const path = join(directory, 'taken')
  const lock = await slocket(path, { linger: 0 })
  const told = listen()
  assert.throws(() => slocket.sync(path, { timeout: 0 }), { code: 'ERR_SLOCKET_TIMEOUT' })
  assert.deepEqual(channelsOf(told), ['start', 'error', 'asyncEnd'])
  const { trace } = told.at(-1)!
  assert.equal((trace.error as { code?: string }).code, 'ERR_SLOCKET_TIMEOUT')
  assert.ok(trace.waitMs! >= 0)
  await lock.release()
})

test('a blocking call publishes a loss', { skip: NO_REMOVAL }, async () => {
  const told = listen()
  const path = join(directory, 'sync lost')
  const lock = slocket.sync(path)
  fs.rmSync(path, { recursive: true })
  await until('it is lost', () => !lock.held)
  assert.deepEqual(channelsOf(told), ['start', 'asyncEnd', 'grant', 'lost'])
  assert.equal((told.at(-1)!.trace.error as { code?: string }).code, 'ERR_SLOCKET_LOST')
})

test('wait notices are published even if the call has no onWait', async () => {
  const told = listen()
  const noticed: LockTrace[] = []
  const onNotice = (message: unknown): void => void noticed.push(message as LockTrace)
  diagnostics.subscribe('slocket:wait-notice', onNotice)
  subscriptions.push(['slocket:wait-notice', onNotice])
  const engine = memory()
  const first = await slocket('a', { engine, label: 'first' })
  const own: string[] = []
  const calls = [
    slocket('a', { engine, waitNoticeAfter: 0 }),
    slocket('a', { engine, waitNoticeAfter: 0, onWait: ({ held }) => own.push(held[0]!.label!) }),
  ]
  await until('both are told of', () => noticed.length >= 2)
  assert.deepEqual(own, ['first'])
  assert.deepEqual(
    noticed.map(({ notice }) => notice?.held.map(({ label }) => label)),
    [['first'], ['first']],
  )
  await first.release()
  for (const call of calls) await (await call).release()
  // One object a request, through all channels.
  const started = told.filter(({ channel }) => channel.endsWith(':start')).map(({ trace }) => trace)
  assert.deepEqual(
    noticed.map((trace) => started.indexOf(trace)),
    [1, 2],
  )
})

test('a timeout is published with what is known about the holders', async () => {
  const told = listen()
  const engine = memory()
  const first = await slocket('a', { engine, label: 'first' })
  await assert.rejects(slocket('a', { engine, timeout: 1 }))
  const failed = told.find(({ channel }) => channel.endsWith(':error'))
  assert.equal((failed!.trace.error as SlocketError).held?.[0]?.label, 'first')
  await first.release()
})

test('a downgrade is published once, and the lock is shared from then on', async () => {
  const told = listen()
  const lock = await slocket('downgraded', { engine: memory() })
  const modes: string[] = []
  const onDowngrade = (message: unknown): void => void modes.push((message as LockTrace).mode)
  diagnostics.subscribe('slocket:downgrade', onDowngrade)
  subscriptions.push(['slocket:downgrade', onDowngrade])
  await lock.downgrade()
  await lock.downgrade()
  await lock.release()
  assert.deepEqual(channelsOf(told), ['start', 'asyncEnd', 'grant', 'downgrade', 'release'])
  assert.equal(new Set(told.map(({ trace }) => trace)).size, 1)
  assert.deepEqual(modes, ['shared'])
})

test('start and grant run in the asynchronous context of the call', async () => {
  const caller = new AsyncLocalStorage<string>()
  const engine = memory()
  const first = await slocket('a', { engine })
  const seen: string[] = []
  for (const channel of ['tracing:slocket:acquire:start', 'slocket:grant']) {
    const onMessage = (message: unknown): void =>
      void seen.push(`${channel.split(':').at(-1)} ${(message as LockTrace).label} ${caller.getStore()}`)
    diagnostics.subscribe(channel, onMessage)
    subscriptions.push([channel, onMessage])
  }
  const calls = ['one', 'two'].map((label) => caller.run(label, () => slocket('a', { engine, label })))
  await first.release()
  for (const call of calls) await (await call).release()
  assert.deepEqual(seen, ['start one one', 'start two two', 'grant one one', 'grant two two'])
})

test('several locks are published one by one, including those that a failing call releases', async () => {
  const told = listen()
  const engine = memory()
  const names = (): string[] => told.map(({ trace }, index) => `${channelsOf(told)[index]} ${trace.name}`)
  await slocket.all.with(['b', 'a', 'b'], { engine }, () => {})
  assert.deepEqual(names(), [
    'start a',
    'asyncEnd a',
    'grant a',
    'start b',
    'asyncEnd b',
    'grant b',
    'release b',
    'release a',
  ])
  const lock = await slocket('b', { engine })
  told.length = 0
  await assert.rejects(slocket.all(['a', 'b'], { engine, timeout: 20 }), { code: 'ERR_SLOCKET_TIMEOUT' })
  assert.deepEqual(
    names().filter((one) => !one.startsWith('wait')),
    ['start a', 'asyncEnd a', 'grant a', 'start b', 'error b', 'asyncEnd b', 'release a'],
  )
  await lock.release()
})

test('each term of a leader is published; a break is published as a loss', async () => {
  const told = listen()
  const path = join(directory, 'leader')
  let terms = 0
  const result = await slocket.lead(path, { linger: 0 }, async (_, signal) => {
    terms += 1
    if (terms === 2) return 'done'
    const lost = await slocket.break(path)
    assert.equal(lost.length, 1)
    await until('it has heard of that', () => signal.aborted)
    return 'too late'
  })
  assert.equal(result, 'done')
  const term = ['start', 'asyncEnd', 'grant']
  assert.deepEqual(
    channelsOf(told).filter((channel) => channel !== 'wait'),
    [...term, 'lost', ...term, 'release'],
  )
  const { trace } = told.find(({ channel }) => channel === 'slocket:lost')!
  assert.equal((trace.error as { code?: string }).code, 'ERR_SLOCKET_LOST')
  assert.notEqual(told.at(-1)!.trace, trace)
})

test('a nested call publishes nothing unless it has to wait for its own turn', async () => {
  const told = listen()
  const options = { engine: memory(), reentrant: true }
  const once = ['start', 'asyncEnd', 'grant', 'release']
  await slocket.with('a', options, async (lock) => {
    await slocket.with('a', options, () => {})
    await slocket.all.with(['a'], options, () => {})
    assert.deepEqual(channelsOf(told), once.slice(0, 3))
    await lock.release()
    await slocket.with('a', options, () => {})
  })
  assert.deepEqual(channelsOf(told), [...once, ...once])
})

test('with atLeast, the release is published when the time is over', async () => {
  const told = listen()
  const lock = await slocket('a', { engine: memory(), atLeast: 50 })
  const releasing = lock.release()
  assert.deepEqual(channelsOf(told), ['start', 'asyncEnd', 'grant'])
  await releasing
  assert.deepEqual(channelsOf(told), ['start', 'asyncEnd', 'grant', 'release'])
})

test('a call with a callback is published like one with a promise', async () => {
  const told = listen()
  const engine = memory()
  await new Promise<void>((resolve, reject) => {
    slocket('a', { engine }, (error, lock) => {
      if (lock === undefined) reject(error)
      else resolve(lock.release())
    })
  })
  assert.deepEqual(channelsOf(told), ['start', 'asyncEnd', 'grant', 'release'])
})

test('named locks and queries publish nothing', async () => {
  const told = listen()
  const engine = memory()
  await new LockManager({ engine }).request('a', () => {})
  await slocket.query('a', { engine })
  assert.deepEqual(channelsOf(told), [])
})

test('the drop-in for proper-lockfile publishes like slocket()', async () => {
  const told = listen()
  const file = join(directory, 'data.json')
  const release = await lockfile.lock(file, { realpath: false, retries: 1 })
  await release()
  lockfile.lockSync(file, { realpath: false })()
  assert.deepEqual(
    told.map(({ channel, trace }) => `${channel.split(':').at(-1)} ${trace.name.slice(-5)} ${trace.isTry}`),
    ['false', 'true'].flatMap((isTry) =>
      ['start', 'asyncEnd', 'grant', 'release'].map((channel) => `${channel} .lock ${isTry}`),
    ),
  )
})
