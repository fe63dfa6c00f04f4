/** One round: clients and nemeses run, clients end, and the checker gives its verdict. */
import { setMaxListeners } from 'node:events'
import fs from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { slocket } from '../src/index.ts'
import { Random } from '../src/testing/random.ts'
import { RoundArena } from './arena.ts'
import type { Finding } from './checker/finding.ts'
import { check } from './checker/index.ts'
import { NEMESES } from './nemesis/index.ts'
import { pause, pauseMs } from './nemesis/nemesis.ts'
import type { RoundPlan } from './plan.ts'
import { readTraces } from './trace/reader.ts'
import { permitsOf } from './trace/event.ts'

/** How long clients may take to end when they are ordered to, and how long the cleanup of the locks may take, in ms. */
const MOST_DRAIN_MS = 30_000
const MOST_CLEANUP_MS = 10_000

export interface RoundResult {
  readonly findings: readonly Finding[]
  readonly totals: ReadonlyMap<string, number>
  /** The directory of the traces, if they are kept. They always are if something was found. */
  readonly traces: string | undefined
}

export interface RoundOptions {
  /** The compiled package that the clients run. */
  readonly build: string
  /** Keeps the traces even if nothing was found. */
  readonly keepTraces: boolean
  /** Ends the round early. */
  readonly interrupted: AbortSignal
}

export async function playRound(
  plan: RoundPlan,
  { build, keepTraces, interrupted }: RoundOptions,
): Promise<RoundResult> {
  const random = new Random(plan.seed)
  const findings: Finding[] = []
  const blame = (rule: string, what: string): void => void findings.push({ rule, at: arena.trace.now(), what })
  const arena = new RoundArena(build, plan, random, (what) => blame('client', what))
  try {
    arena.start()
    await letNemesesAct(arena, random, interrupted)
    const stuck = interrupted.aborted ? [] : await arena.drain(MOST_DRAIN_MS)
    if (stuck.length > 0) {
      const who = stuck.map(({ name, habitat }) => `${name} (${habitat})`).join(', ')
      blame('takeover', `did not end within ${MOST_DRAIN_MS} ms: ${who}\n${arena.show()}`)
    } else if (!interrupted.aborted) await useOnceMore(arena, blame)
  } finally {
    await arena.close()
  }
  const events = readTraces(arena.traces)
  for (const { kind } of events) if (COUNTED.has(kind)) arena.count(COUNTED.get(kind)!)
  findings.push(...check(events))
  const isKept = keepTraces || findings.length > 0
  if (!isKept) arena.removeTraces()
  return { findings, totals: arena.totals, traces: isKept ? arena.traces : undefined }
}

const COUNTED: ReadonlyMap<string, string> = new Map([
  ['ask', 'requests'],
  ['grant', 'grants'],
  ['refused', 'refused'],
  ['rejected', 'rejected'],
  ['lost', 'lost'],
])

/** Runs each nemesis on its own, until the time is over. Waits until each action has ended. */
async function letNemesesAct(arena: RoundArena, random: Random, interrupted: AbortSignal): Promise<void> {
  // Not AbortSignal.any of an AbortSignal.timeout: Node 20 may collect that before it aborts (seen here).
  const controller = new AbortController()
  const over = controller.signal
  // One listener for each nemesis.
  setMaxListeners(0, over)
  const end = (): void => controller.abort()
  const timer = setTimeout(end, arena.plan.seconds * 1000)
  interrupted.addEventListener('abort', end)
  const acting = Object.entries(arena.plan.nemeses).map(async ([name, everyMs]) => {
    // Each nemesis has its own sequence, so that it depends on the others as little as possible.
    const own = new Random(random.below(2 ** 32))
    while (await pause(pauseMs(own, everyMs), over)) {
      if (!arena.isQuiet) await NEMESES[name]!.strike(arena, own)
    }
  })
  await Promise.all([...acting, pause(2 * arena.plan.seconds * 1000, over)])
  clearTimeout(timer)
  interrupted.removeEventListener('abort', end)
}

/** After all clients have ended, a new client uses each lock once. Then nothing may be left of it, whoever was killed. */
async function useOnceMore(arena: RoundArena, blame: (rule: string, what: string) => void): Promise<void> {
  const deadline = performance.now() + MOST_CLEANUP_MS
  for (const { id, path, claims } of arena.locks) {
    const claim = claims[0]!
    const options = permitsOf(claim) ?? {}
    while (fs.existsSync(path)) {
      try {
        const lock = await slocket(path, { ...options, timeout: MOST_CLEANUP_MS, linger: 0 })
        // Gives the new client time to remove dead tickets before it leaves.
        await sleep(20)
        await lock.release()
      } catch (error) {
        blame('litter', `lock ${id} cannot be acquired after all clients have ended: ${String(error)}\n${arena.show()}`)
        return
      }
      if (performance.now() > deadline) {
        blame(
          'litter',
          `lock ${id} still exists after all clients have ended and a new one has used it\n${arena.show()}`,
        )
        return
      }
    }
  }
}
