// Many locks, each used once, in turn or at the same time; all of that twice. What the second pass leaves in addition to the first is growth.
import { readdirSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { now } from '../clock.js'
import { load, prepare } from '../contestants/index.js'
import { options, send } from './messages.js'

const { contestant, directory, locks, atOnce, settleMs } = options
const { open } = await load(contestant)

const descriptorsBefore = descriptors()
let peak = 0
const first = await round('a')
const second = await round('b')
send({
  time: (second.elapsedMs * 1000) / locks,
  peak,
  descriptors: second.descriptors - descriptorsBefore,
  heap: (second.heap - first.heap) / 1024,
  rss: (second.rss - first.rss) / 1024 / 1024,
  left: second.left,
})

async function round(prefix) {
  const paths = Array.from({ length: locks }, (_, index) => `${directory}/${prefix}${index}`)
  for (const path of paths) prepare(contestant, path)
  const entries = readdirSync(directory).length
  const from = now()
  if (atOnce) await allAtOnce(paths)
  else await inTurn(paths)
  const elapsedMs = now() - from
  await settled()
  const { heapUsed, rss } = process.memoryUsage()
  return { elapsedMs, heap: heapUsed, rss, descriptors: descriptors(), left: readdirSync(directory).length - entries }
}

async function inTurn(paths) {
  for (const path of paths) {
    const lock = open(path, {})
    await lock.release(await lock.acquire())
    await lock.close?.()
  }
  peak = Math.max(peak, descriptors())
}

async function allAtOnce(paths) {
  const handles = paths.map((path) => open(path, {}))
  const held = await Promise.all(handles.map((lock) => lock.acquire()))
  peak = Math.max(peak, descriptors())
  await Promise.all(handles.map((lock, index) => lock.release(held[index])))
  await Promise.all(handles.map((lock) => lock.close?.()))
}

/** slocket keeps its sockets for a second, for quick repeated use. */
async function settled() {
  const until = now() + settleMs
  while (descriptors() > descriptorsBefore && now() < until) await sleep(50)
  globalThis.gc()
  await sleep(50)
  globalThis.gc()
}

function descriptors() {
  return readdirSync('/proc/self/fd').length
}
