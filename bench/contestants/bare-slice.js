// A floor for slices: the bare queue, whose ticket serves the requests of its process for 1 ms, as slocket's does with `slice: 1`.
import { now } from '../clock.js'
import { open as openQueue } from './bare-queue.js'

const SLICE_MS = 1

export function open(path) {
  const queue = openQueue(path)
  /** The ticket between two requests, and until when it may be used. */
  let kept
  let endMs = 0
  let isEndAwaited = false

  function endTurn() {
    isEndAwaited = false
    if (kept === undefined) return
    queue.release(kept)
    kept = undefined
  }

  return {
    async acquire() {
      const held = kept ?? (await queue.acquire())
      if (kept === undefined) endMs = now() + SLICE_MS
      kept = undefined
      return held
    },
    release(held) {
      if (now() >= endMs) return queue.release(held)
      kept = held
      if (!isEndAwaited) setImmediate(endTurn)
      isEndAwaited = true
    },
    close: () => queue.close(),
  }
}
