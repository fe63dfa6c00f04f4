// One process that acquires and releases, again and again: for some time, or so many cycles.
import { now } from '../clock.js'
import { load } from '../contestants/index.js'
import { options, tell } from './told.js'

const { contestant, path, warmMs, runMs, cycles } = options
const lock = (await load(contestant)).open(path, {})

if (cycles === undefined) {
  await cycleFor(warmMs)
  const { count, elapsedMs } = await cycleFor(runMs)
  tell({ time: (elapsedMs * 1000) / count })
} else {
  for (let done = 0; done < cycles; done += 1) await lock.release(await lock.acquire())
  tell({ cycles })
}
await lock.close?.()

async function cycleFor(ms) {
  const from = now()
  let count = 0
  let elapsedMs = 0
  do {
    // The clock is looked at only now and then, but soon enough for one who takes long.
    for (let more = count < 100 ? 1 : 10; more > 0; more -= 1) {
      await lock.release(await lock.acquire())
      count += 1
    }
    elapsedMs = now() - from
  } while (elapsedMs < ms)
  return { count, elapsedMs }
}
