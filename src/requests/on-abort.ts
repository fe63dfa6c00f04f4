/**
 * Listens to abort signals with one listener per signal, however many waits use it. (Node warns of a leak at the
 * eleventh listener on one signal, but thousands of waits on one signal aren't a leak.)
 */
const listeners = new WeakMap<AbortSignal, Set<() => void>>()

/** Calls `listener` once when `signal` aborts, which it has not done yet. Returns a function that prevents the call. */
export function onAbort(signal: AbortSignal, listener: () => void): () => void {
  let all = listeners.get(signal)
  if (all === undefined) {
    all = new Set()
    listeners.set(signal, all)
  }
  if (all.size === 0) signal.addEventListener('abort', notifyAll)
  all.add(listener)
  return () => {
    if (all.delete(listener) && all.size === 0) signal.removeEventListener('abort', notifyAll)
  }
}

function notifyAll(this: AbortSignal): void {
  const all = listeners.get(this)
  listeners.delete(this)
  this.removeEventListener('abort', notifyAll)
  for (const listener of all ?? []) listener()
}
