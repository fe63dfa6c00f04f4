/** The demo from curtain to curtain. */
import type { LockSnapshot } from '../src/index.ts'
import { slocket } from '../src/index.ts'
import { Random } from '../src/testing/random.ts'
import { Books } from './books.ts'
import { Chronicle } from './chronicle.ts'
import { Crew } from './crew.ts'
import { nowNs, nsToMs } from './messages.ts'
import { killNowAndThen, stopNowAndThen } from './mischief.ts'
import { paintFor } from './paint.ts'
import { judge } from './referee.ts'
import { Screen } from './screen.ts'
import { lockPath, makeStage, removeStage } from './stage.ts'
import { summary } from './summary.ts'
import type { View } from './view.ts'

export interface RunOptions {
  readonly seconds: number
  readonly workers: number
  readonly seed: number
}

/**
 * Ends after `options.seconds`, or when `interrupted` aborts; whichever it is, no process and no file of it is left.
 *
 * @returns whether the lock has kept its promises; undefined where it was interrupted.
 */
export async function run(options: RunOptions, interrupted: AbortSignal): Promise<boolean | undefined> {
  const out = process.stdout
  const paint = paintFor(out)
  const random = new Random(options.seed)
  const directory = makeStage()
  const books = new Books(directory)
  const chronicle = new Chronicle()
  const crew = new Crew(directory, chronicle, random)
  try {
    books.create()
    out.write(`${introduction(options, paint('dim', `(--seed ${options.seed})`))}\n\n`)
    crew.start(options.workers)
    await perform({ directory, crew, random, chronicle, totalMs: options.seconds * 1000 }, interrupted)
    if (interrupted.aborted) return undefined
    const verdict = judge(books, chronicle)
    out.write(`\n${summary(chronicle, verdict, paint).join('\n')}\n`)
    return verdict.faults.length === 0
  } finally {
    await crew.dismiss()
    removeStage(directory)
  }
}

function introduction({ workers }: RunOptions, seed: string): string {
  return [
    `${workers} processes write one ledger, one at a time, first come, first served.`,
    'Their lock is a directory: no server, no heartbeat, no stale age. Meanwhile',
    'some get kill -9, mostly the one that holds the lock, and some are stopped.',
    seed,
  ].join('\n')
}

interface Performance {
  readonly directory: string
  readonly crew: Crew
  readonly random: Random
  readonly chronicle: Chronicle
  readonly totalMs: number
}

async function perform(scene: Performance, interrupted: AbortSignal): Promise<void> {
  const { crew, totalMs } = scene
  const over = new AbortController()
  const end = (): void => over.abort()
  const timer = setTimeout(end, totalMs)
  interrupted.addEventListener('abort', end)
  const stopShow = startShow(scene)
  try {
    await Promise.all([killNowAndThen(scene, over.signal), stopNowAndThen(scene, over.signal)])
    stopShow()
    await crew.finish(interrupted)
  } finally {
    clearTimeout(timer)
    end()
    stopShow()
  }
}

/** How often it is asked who holds and who waits, in ms. */
const ASK_MS = 80

/** Returns what ends it. */
function startShow({ directory, crew, chronicle, totalMs }: Performance): () => void {
  const screen = new Screen(process.stdout, paintFor(process.stdout), crew.workers.length)
  let latest: { snapshot: LockSnapshot; asked: number } = { snapshot: { held: [], pending: [] }, asked: 0 }
  let asked = 0

  // Not one after the other: while somebody is stopped, it takes 200 ms to know that it does not answer.
  const ask = async (): Promise<void> => {
    asked += 1
    const number = asked
    const snapshot = await slocket.query(lockPath(directory))
    if (number > latest.asked) latest = { snapshot, asked: number }
  }
  const show = (): void => {
    const elapsedMs = Math.min(totalMs, nsToMs(nowNs() - chronicle.startNs))
    const view: View = { elapsedMs, totalMs, snapshot: latest.snapshot, crew, chronicle }
    screen.show(view)
  }
  const asking = setInterval(() => {
    ask().catch((error: unknown) => chronicle.faults.push(`slocket.query failed: ${String(error)}`))
  }, ASK_MS)
  const showing = setInterval(show, screen.intervalMs)
  return () => {
    clearInterval(asking)
    clearInterval(showing)
    screen.close()
  }
}
