/** A client of an engine, to be stopped, killed and cut off: NAME TRACE ENGINE(JSON) [SINK]. See helpers/trace.ts. */
import fs from 'node:fs'
import net from 'node:net'
import { createInterface } from 'node:readline'
import type { Engine } from '../../../src/requests/engine.ts'
import { slocket } from '../../../src/index.ts'
import type { Lock } from '../../../src/index.ts'
import type { EngineSpec } from '../helpers/client.ts'
import type { Line, Order, OrderOptions } from '../helpers/trace.ts'
import { CLIENTS, SENTINEL_CLIENTS } from '../redis/clients.ts'
import { traceLeases } from './trace-leases.ts'

/** How often a holder looks whether it holds. */
const LOOK_MS = 10
/** How long it goes on looking after a loss. */
const AFTERWARDS_MS = 3000
/** After how long an acquire without a timeout of its own is given up; and what is added before anything counts as hung. */
const TIMEOUT_MS = 60_000
const HUNG_AFTER_MS = 10_000

interface Held {
  readonly lock: Lock
  readonly as: string
  looking: NodeJS.Timeout | undefined
  lostAt: number | undefined
}

const [name = '', traceFile = '', spec = '{}', sink = ''] = process.argv.slice(2)
/** With `by`, the program has a client of its own. */
interface RedisSpec {
  readonly url: string
  readonly by?: string
}

const trace = fs.openSync(traceFile, 'a')
const handles = new Map<string, Held>()
let isEnding = false
let sinkLines: AsyncIterator<string> | undefined
let sinkSocket: net.Socket | undefined

process.on('unhandledRejection', unheard)
process.on('uncaughtException', unheard)
const leaseOf = traceLeases((line) => append({ at: now(), who: name, ...line }))
const engine = await openEngine(JSON.parse(spec) as EngineSpec)

/** Whoever asks it steals, and has a handle like any other. */
const thief: Engine = {
  name: engine.name,
  capabilities: engine.capabilities,
  acquire: async (resource, request) => await engine.acquire(resource, { ...request, wait: true, steal: true }),
  query: async (resource, signal) => await engine.query(resource, signal),
}
const orders = createInterface({ input: process.stdin })
const warm = warmUp().catch((error: unknown) => {
  unheard(error)
  process.exit(1)
})
orders.on('line', (line) => void warm.then(async () => await obey(JSON.parse(line) as Order)).catch(unheard))
// Whoever directs it has ended, or was killed.
orders.on('close', () => process.exit(0))
await warm
say({ event: 'ready' })

async function openEngine({ kind, options }: EngineSpec): Promise<Engine> {
  const url = new URL(`../../../src/engines/${kind}/index.js`, import.meta.url).href
  const module = (await import(url)) as Record<string, (options: unknown) => Engine>
  return module[kind]!(kind === 'redis' ? await withClient(options as RedisSpec) : options)
}

async function withClient({ by, url, ...rest }: RedisSpec): Promise<object> {
  if (by === undefined) return { url, ...rest }
  const open = CLIENTS[by] ?? SENTINEL_CLIENTS[by]!
  return { client: (await open(url)).client, ...rest }
}

/** Once it has had a lock, its connection is there: what follows depends no more on how busy the machine is while processes start. */
async function warmUp(): Promise<void> {
  const sinceMs = performance.now()
  for (;;) {
    try {
      const lock = await slocket(`warm ${name}`, { engine, timeout: TIMEOUT_MS })
      await lock.release()
      return
    } catch (error) {
      if (performance.now() - sinceMs > TIMEOUT_MS) throw error
    }
  }
}

async function obey(order: Order): Promise<void> {
  switch (order.do) {
    case 'acquire':
      await acquire(order.as, order.resource, order.options)
      return
    case 'release': {
      const held = handles.get(order.as)
      if (held !== undefined) await release(held)
      return
    }
    case 'downgrade':
      await downgrade(handles.get(order.as)!)
      return
    case 'loop':
      for (let round = 0; !isEnding; round += 1) {
        const held = await acquire(`${order.as ?? order.resource}-${round}`, order.resource, order.options)
        if (held === undefined) await pass(50)
        else {
          if (order.downgrades === true) await pass(order.holdMs).then(() => downgrade(held))
          await pass(order.holdMs)
          await release(held)
        }
      }
      say({ event: 'ended' })
      return
    case 'end':
      isEnding = true
      return
    case 'write':
      await write(order)
      return
    case 'skew': {
      const unskewed = Date.now
      Date.now = () => unskewed() + order.ms
      say({ event: 'skewed' })
    }
  }
}

async function acquire(as: string, resource: string, options: OrderOptions = {}): Promise<Held | undefined> {
  const { timeout = TIMEOUT_MS, steal: isThief = false, ...rest } = options
  const permits = options.mode === 'shared' ? 0 : (options.permits ?? 1)
  say({ event: 'asked', as, resource })
  try {
    const lock = await inTime(as, slocket(resource, { engine: isThief ? thief : engine, timeout, ...rest }), timeout)
    const lease = leaseOf(lock.token)
    // Before it says that it holds: whoever reads that may stop it at once, and a signal that is asked for after the loss calls no listener.
    const { signal } = lock
    say({
      event: 'granted',
      as,
      resource,
      permits,
      ...(options.take === undefined ? {} : { take: options.take }),
      token: String(lock.token),
      ...(isThief ? { isThief } : {}),
      ...(lock.recovered ? { recovered: true } : {}),
      ...(lease === undefined ? {} : { lease }),
    })
    const held: Held = { lock, as, looking: undefined, lostAt: undefined }
    handles.set(as, held)
    signal.addEventListener('abort', () => {
      say({ event: 'lost', as, ...described(signal.reason) })
      held.lostAt ??= performance.now()
    })
    look(held)
    held.looking = setInterval(() => look(held), LOOK_MS)
    return held
  } catch (error) {
    say({ event: 'failed', as, ...described(error) })
    return undefined
  }
}

/** The time is that before the question: if it is said to hold after that, it held then. */
function look(held: Held): void {
  const { lock, as, lostAt } = held
  const at = now()
  try {
    lock.assertHeld()
  } catch (error) {
    if (lostAt === undefined) say({ event: 'denied', as, ...described(error) })
    held.lostAt ??= performance.now()
    if (performance.now() - held.lostAt > AFTERWARDS_MS) clearInterval(held.looking)
    return
  }
  if (lostAt !== undefined) say({ event: 'revived', as })
  else append({ at, who: name, event: 'believes', as })
}

async function downgrade({ lock, as }: Held): Promise<void> {
  say({ event: 'downgrading', as })
  try {
    await inTime(as, lock.downgrade(), TIMEOUT_MS)
    say({ event: 'downgraded', as })
  } catch (error) {
    say({ event: 'failed', as, ...described(error) })
  }
}

async function release(held: Held): Promise<void> {
  const { lock, as, looking } = held
  clearInterval(looking)
  // It may have been stopped since the last look: to give it back is not to believe.
  look(held)
  handles.delete(as)
  say({ event: 'releasing', as })
  try {
    await inTime(as, lock.release(), TIMEOUT_MS)
    say({ event: 'released', as })
  } catch (error) {
    say({ event: 'failed', as, ...described(error) })
  }
}

async function write({ as, guard, stop }: Order & { do: 'write' }): Promise<void> {
  const { lock } = handles.get(as)!
  sinkSocket ??= net.connect(sink)
  sinkLines ??= createInterface({ input: sinkSocket })[Symbol.asyncIterator]()
  if (stop === 'before') stopHere(as)
  if (guard === 'assert') {
    try {
      lock.assertHeld()
    } catch (error) {
      say({ event: 'not written', as, ...described(error) })
      return
    }
  }
  if (stop === 'between') stopHere(as)
  sinkSocket.write(`${JSON.stringify({ token: String(lock.token), isFenced: guard === 'token' })}\n`)
  const { value } = (await sinkLines.next()) as { value: string }
  say({ event: 'wrote', as, accepted: value === 'accepted' })
}

/** Until somebody says SIGCONT. */
function stopHere(as: string): void {
  say({ event: 'stopping', as })
  process.kill(process.pid, 'SIGSTOP')
}

/** What is pending for longer than that is written down, once. */
async function inTime<T>(as: string, promise: Promise<T>, ms: number): Promise<T> {
  const timer = setTimeout(() => say({ event: 'hung', as }), ms + HUNG_AFTER_MS)
  try {
    return await promise
  } finally {
    clearTimeout(timer)
  }
}

function unheard(error: unknown): void {
  say({ event: 'unheard', ...described(error) })
}

function described(error: unknown): { code?: string; message: string } {
  const { code, stack } = error as { code?: string; stack?: string }
  return { ...(code === undefined ? {} : { code }), message: stack ?? String(error) }
}

function say(line: Omit<Line, 'at' | 'who'>): void {
  const whole = { at: now(), who: name, ...line }
  append(whole)
  fs.writeSync(1, `${JSON.stringify(whole)}\n`)
}

function append(line: Line): void {
  fs.writeSync(trace, `${JSON.stringify(line)}\n`)
}

function now(): string {
  return String(process.hrtime.bigint())
}

async function pass(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms))
}
