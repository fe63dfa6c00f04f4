import type { Engine, Requester } from './requests/engine.ts'
import { printable } from './errors.ts'
import { wallNowMs } from './real-time.ts'

/** The locks for which a warning was emitted. */
const warned = new WeakMap<Engine, Set<string>>()

/** Emits a process warning, once per lock, if a request waits for a lock that its own process holds. */
export function warnOfSelfWait(
  engine: Engine,
  path: string,
  label: string | undefined,
  holder: Pick<Requester, 'label' | 'sinceMs'>,
): void {
  const known = warned.get(engine)
  if (known?.has(path) === true) return
  if (known === undefined) warned.set(engine, new Set([path]))
  else known.add(path)
  const seconds = ((wallNowMs() - (holder.sinceMs ?? wallNowMs())) / 1000).toFixed(0)
  process.emitWarning(
    `a call of slocket()${named(label)} waits for the lock '${path}', which this process${named(holder.label)} has held for ` +
      `${seconds} s. If the holder waits for that call, both wait forever`,
    {
      code: 'SLOCKET_SELF_WAIT',
      detail: 'Release the lock first, or pass it on; slocket.with() detects such a call, and a timeout ends it.',
    },
  )
}

function named(label: string | undefined): string {
  return label === undefined ? '' : ` ('${printable(label)}')`
}
