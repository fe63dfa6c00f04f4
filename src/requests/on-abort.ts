/**
 * Listens to abort signals: one listener for each signal, however many wait by it. (Node warns of a leak at the
 * eleventh listener on one signal, and waits by the thousand on one signal are no leak.)
 */
const listeners = new WeakMap<AbortSignal, Set<() => void>>()

/** Calls `listener` once when `signal`, which has not aborted yet, does. Returns what stops that. */
export function onAbort(signal: AbortSignal, listener: () => void): () => void {
  let all = listeners.get(signal)
  if (all === undefined) {
    all = new Set()
    listeners.set(signal, all)
  }
  if (all.size === 0) signal.addEventListener('abort', tellAll)
  all.add(listener)
  return () => {
    if (all.delete(listener) && all.size === 0) signal.removeEventListener('abort', tellAll)
  }
}

function tellAll(this: AbortSignal): void {
  const all = listeners.get(this)
  listeners.delete(this)
  this.removeEventListener('abort', tellAll)
  for (const listener of all ?? []) listener()
}
