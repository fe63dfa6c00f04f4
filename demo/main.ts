/**
 * npm run demo -- [--seconds N] [--workers N] [--seed N]
 *
 * Exits with 0 if the lock kept its promises, 1 if not, 2 for wrong arguments, 128 + n for signal n.
 */
import os from 'node:os'
import { parseArgs } from 'node:util'
import type { RunOptions } from './run.ts'
import { run } from './run.ts'

const MOST_WORKERS = 35

const options = readOptions()
const interruption = new AbortController()
let exitCode: number | undefined
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    exitCode ??= 128 + os.constants.signals[signal]
    interruption.abort()
  })
}
// Whoever watched has gone (`| head`).
process.stdout.on('error', () => interruption.abort())

const isWell = await run(options, interruption.signal)
process.exitCode = exitCode ?? (isWell === true ? 0 : 1)

function readOptions(): RunOptions {
  try {
    const { values } = parseArgs({
      options: {
        seconds: { type: 'string', default: '10' },
        workers: { type: 'string', default: '8' },
        seed: { type: 'string', default: String(Date.now() % 1e6) },
      },
    })
    return {
      seconds: numberFrom('--seconds', values.seconds, { least: 1, most: 3600 }),
      workers: numberFrom('--workers', values.workers, { least: 1, most: MOST_WORKERS }),
      seed: numberFrom('--seed', values.seed, { least: 0, most: 2 ** 32 - 1 }),
    }
  } catch (error) {
    console.error(error instanceof Error ? error.message : error)
    process.exit(2)
  }
}

function numberFrom(option: string, text: string, { least, most }: { least: number; most: number }): number {
  const number = Number(text)
  if (/^\d+$/.test(text) && number >= least && number <= most) return number
  throw new RangeError(`${option} must be a whole number from ${least} to ${most}, not '${text}'`)
}
