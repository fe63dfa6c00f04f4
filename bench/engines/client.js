// A process that uses one contestant: node client.js SETTINGS(JSON). process.js starts it.
//
//   loop     acquires and releases until the end: [asked, granted, released] of each, on a clock that all processes share
//   hold     holds, and reports when it no longer believes that it holds
//   wait     requests one lock `count` times
//   many     many clients, each with many locks: see scale.js
//   queue    many requests for one lock: see scale.js
import { createInterface } from 'node:readline'
import { open } from './contestants/index.js'

const LOOK_MS = 20
const settings = JSON.parse(process.argv[2])
const { contestant, servers, name, ttl, role, count = 0, after } = settings

process.on('unhandledRejection', (error) => say({ event: 'unhandled', message: String(error) }))
process.on('uncaughtException', (error) => say({ event: 'unhandled', message: String(error) }))

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()
const isScale = role === 'many' || role === 'queue'
const handle = isScale ? undefined : await open(contestant, servers, name, { ttl })
if (role === 'loop') await loop()
if (role === 'hold') await hold()
if (role === 'wait') for (let index = 0; index < count; index += 1) handle.acquire().catch(() => {})
if (role === 'wait') say({ event: 'ready' })
if (isScale) await (await import('./scale-client.js'))[role](settings, say, async () => await lines.next())
await lines.next()
process.exit(0)

async function loop() {
  await handle.release(await handle.acquire())
  say({ event: 'ready' })
  const { from, until } = JSON.parse((await lines.next()).value)
  while (now() < from) await new Promise((resolve) => setTimeout(resolve, 1))
  const rounds = []
  for (;;) {
    const asked = now()
    if (asked > until) break
    const held = await handle.acquire()
    const granted = now()
    await new Promise((resolve) => setImmediate(resolve))
    const released = now()
    await handle.release(held)
    rounds.push([asked, granted, released])
  }
  say({ event: 'done', rounds })
}

async function hold() {
  // The process has started and loaded its code by then.
  if (after !== undefined) await lines.next()
  say({ event: 'asked' })
  const held = await handle.acquire()
  say({ event: 'held', at: now() })
  const timer = setInterval(() => {
    if (handle.isHeld(held)) return
    say({ event: 'gave up', at: now() })
    clearInterval(timer)
  }, LOOK_MS)
}

/** CLOCK_MONOTONIC, in ms. */
function now() {
  return Number(process.hrtime.bigint()) / 1e6
}

function say(message) {
  process.stdout.write(`${JSON.stringify(message)}\n`)
}
