// A process that acquires and releases in a loop, for some time or a number of cycles.
import { now } from '../clock.js'
import { load } from '../contestants/index.js'
import { options, send } from './messages.js'

const { contestant, path, warmMs, runMs, cycles } = options
const lock = (await load(contestant)).open(path, {})

if (cycles === undefined) {
  await cycleFor(warmMs)
  const { count, elapsedMs } = await cycleFor(runMs)
  send({ time: (elapsedMs * 1000) / count })
} else {
  for (let done = 0; done < cycles; done += 1) await lock.release(await lock.acquire())
  send({ cycles })
}
await lock.close?.()

async function cycleFor(ms) {
  const from = now()
  let count = 0
  let elapsedMs = 0
  do {
    // Reads the clock only now and then, but often enough for a slow contestant.
    for (let more = count < 100 ? 1 : 10; more > 0; more -= 1) {
      await lock.release(await lock.acquire())
      count += 1
    }
    elapsedMs = now() - from
  } while (elapsedMs < ms)
  return { count, elapsedMs }
}
