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
  // Unlike `addEventListener`, it is called even if a listener before it calls `stopImmediatePropagation`.
  const subscription = addAbortListener(signal, () => {
    listening.delete(signal)
    for (const listener of all) listener()
  })
  const started = { all, stop: () => subscription[Symbol.dispose]() }
  listening.set(signal, started)
  return started
}
