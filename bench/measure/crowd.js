// Many requests of one process at the same time: the memory of each waiter, and how many are served in a second.
import { now } from '../clock.js'
import { load } from '../contestants/index.js'
import { options, send, receive } from './messages.js'

const WARM = 1000

const { contestant, path, claim, requests, runMs, limitMs, measuresBytes } = options
const lock = (await load(contestant)).open(path, claim)

const bytes = measuresBytes ? await bytesForEach() : undefined
await round(Math.min(requests, WARM))
send('ready')
await receive()
const from = now()
let served = 0
let elapsedMs
do {
  served += await round(requests)
  elapsedMs = now() - from
} while (elapsedMs < runMs)
if (served === 0) throw new Error(`nobody was served within ${limitMs / 1000} s`)
send({ rate: (served * 1000) / elapsedMs, ...(bytes === undefined ? {} : { bytes }) })
await lock.close?.()

/** All are requested; each releases when it is granted. Returns how many were served. After the limit, it doesn't wait for the rest. */
async function round(count) {
  let done = 0
  let timer
  await new Promise((resolve, reject) => {
    timer = setTimeout(resolve, limitMs)
    const serve = async (held) => {
      await lock.release(held)
      done += 1
      if (done === count) resolve()
    }
    for (let asked = 0; asked < count; asked += 1) lock.acquire().then(serve).catch(reject)
  })
  clearTimeout(timer)
  return done
}

/** Memory of the heap, and outside of it as far as Node knows: with all requests waiting for a holder, compared with before. */
async function bytesForEach() {
  const first = await lock.acquire()
  const waiting = Array.from({ length: requests })
  const before = memory()
  for (let index = 0; index < requests; index += 1) waiting[index] = lock.acquire()
  await new Promise((resolve) => setTimeout(resolve, 200))
  const each = (memory() - before) / requests
  await lock.release(first)
  for (const acquired of waiting) await lock.release(await acquired)
  return each
}

function memory() {
  globalThis.gc()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}
