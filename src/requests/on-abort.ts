/**
 * Listens to abort signals with one listener per signal, however many waits use it. (Node warns of a leak at the
 * eleventh listener on one signal, but thousands of waits on one signal aren't a leak.)
 */
import { addAbortListener } from 'node:events'

interface Listening {
  readonly all: Set<() => void>
  readonly stop: () => void
}

const listening = new WeakMap<AbortSignal, Listening>()

/** Calls `listener` once when `signal` aborts, which it has not done yet. Returns a function that prevents the call. */
export function onAbort(signal: AbortSignal, listener: () => void): () => void {
  const { all, stop } = listening.get(signal) ?? listenTo(signal)
  all.add(listener)
  return () => {
    if (!all.delete(listener) || all.size > 0) return
    listening.delete(signal)
    stop()
  }
}

function listenTo(signal: AbortSignal): Listening {
  const all = new Set<() => void>()
  const notifyAll = (): void => {
    listening.delete(signal)
    for (const listener of all) listener()
  }
  // Unlike with `addEventListener`, it is called even if a listener before it calls `stopImmediatePropagation`.
  addAbortListener(signal, notifyAll)
  // Not by what `addAbortListener` returns: the `Symbol` of a `vm` context, as Jest makes them, has no `dispose` in Node 20 and 22.
  const started = { all, stop: () => signal.removeEventListener('abort', notifyAll) }
  listening.set(signal, started)
  return started
}
