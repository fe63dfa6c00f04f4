import assert from 'node:assert/strict'
import diagnostics from 'node:diagnostics_channel'
import { afterEach, test } from 'node:test'
import slocket, { memory } from '../../src/index.ts'
import type { LockTrace } from '../../src/index.ts'

const CHANNELS = [
  'tracing:slocket:acquire:start',
  'slocket:wait',
  'slocket:grant',
  'tracing:slocket:acquire:error',
  'tracing:slocket:acquire:asyncEnd',
  'slocket:release',
  'slocket:lost',
]
const subscriptions: [string, (message: unknown) => void][] = []

/** What is told, as it is told. */
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

test('a free lock: start, end, grant, release, all by one object', async () => {
  const told = listen()
  const engine = memory()
  const lock = await slocket('a', { engine, mode: 'shared', label: 'reader' })
  await lock.release()
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
      label: 'reader',
      isTry: false,
      token: lock.token,
      recovered: false,
      result: undefined,
    },
  )
})

test('one that has to wait says so; one that is called off, or timed out, tells why', async () => {
  const told = listen()
  const engine = memory()
  const first = await slocket('a', { engine })
  assert.equal(await slocket.try('a', { engine }), null)
  await assert.rejects(slocket('a', { engine, timeout: 20 }), { code: 'ERR_SLOCKET_TIMEOUT' })
  const last = told.at(-1)!.trace
  assert.equal((last.error as { code?: string }).code, 'ERR_SLOCKET_TIMEOUT')
  assert.ok(last.waitMs! >= 15)
  await first.release()
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
    'release',
  ])
  assert.deepEqual(
    told.slice(3, 5).map(({ trace }) => trace.isTry),
    [true, true],
  )
})

test('a subscriber that comes late hears of the release', async () => {
  const lock = await slocket('a', { engine: memory() })
  const told = listen()
  await lock.release()
  assert.deepEqual(
    told.map(({ channel, trace }) => [channel, trace.name, trace.holdMs]),
    [['slocket:release', 'a', undefined]],
  )
})
