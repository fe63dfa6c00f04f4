// The process that runs many clients. After each step it reports what the step cost the process, and waits for the order to continue.
import { open } from './contestants/index.js'

/** Connections stay open from the first client's until the last client has connected. */
const LINGER_MS = 60_000

/** Each client takes its locks one after the other; all clients run at the same time. If the engine can hold all of them together, it does; otherwise each lock is released before the next one. */
export async function many(settings, say, untilContinue) {
  const { clients, locks, isHeldTogether } = settings
  const handles = await openAll(settings, clients)
  say({ event: 'ready', ...usage() })
  await untilContinue()
  const held = handles.map(() => [])
  await together(handles, async (handle, client) => {
    for (let index = 0; index < locks; index += 1) {
      const lock = await handle.acquire(`many ${client} ${index}`)
      if (isHeldTogether) held[client].push(lock)
      else await handle.release(lock)
    }
  })
  say({ event: 'acquired', ...usage() })
  await untilContinue()
  const cost = usage()
  const lost = handles.flatMap((handle, client) => held[client].filter((lock) => !handle.isHeld(lock))).length
  say({ event: 'held', lost, ...cost })
  await together(handles, async (handle, client) => {
    for (const lock of held[client]) await handle.release(lock)
  })
  say({ event: 'released', ...usage() })
}

/** All clients request one lock. It is held until all of them wait; then each one releases it at once. */
export async function queue(settings, say, untilContinue) {
  const { clients, locks, places } = settings
  const [first, ...handles] = await openAll(settings, clients + 1)
  const lock = await first.acquire()
  say({ event: 'ready', ...usage() })
  await untilContinue()
  const done = together(handles, async (handle) => {
    const requests = Array.from({ length: locks }, () => handle.acquire().then(handle.release))
    await Promise.all(requests)
  })
  while ((await first.pending()) < places) await new Promise((resolve) => setTimeout(resolve, 100))
  say({ event: 'acquired', ...usage() })
  await untilContinue()
  say({ event: 'held', ...usage() })
  await first.release(lock)
  await done
  say({ event: 'released', ...usage() })
}

/** Connects each client before anything is measured. */
async function openAll({ contestant, servers, name, ttl, maxConnections }, count) {
  const options = { ttl, maxConnections, linger: LINGER_MS }
  const handles = []
  for (let client = 0; client < count; client += 1) {
    const handle = await open(contestant, servers, name, options)
    await handle.release(await handle.acquire(`warm ${client}`))
    handles.push(handle)
  }
  return handles
}

async function together(handles, work) {
  await Promise.all(handles.map(work))
}

function usage() {
  globalThis.gc()
  const { user, system } = process.cpuUsage()
  return { at: Number(process.hrtime.bigint()) / 1e6, cpuMs: (user + system) / 1000, bytes: process.memoryUsage.rss() }
}
