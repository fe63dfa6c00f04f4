/** How long to wait for anything that must happen, in ms, instead of forever. The machine may be busy; scripts/arm64.sh sets more. */
export const DEADLINE_MS: number = Number(process.env['SLOCKET_TEST_DEADLINE_SECONDS'] ?? 60) * 1000

/**
 * Resolves with the value of `condition`, as soon as that isn't undefined or false.
 *
 * @param what what is expected, for the error message; a function is called at the deadline.
 */
export async function until<T>(
  what: string | (() => string),
  condition: () => T | undefined | false | Promise<T | undefined | false>,
  deadlineMs: number = DEADLINE_MS,
): Promise<T> {
  const start = performance.now()
  for (;;) {
    const value = await condition()
    if (value !== undefined && value !== false) return value
    if (performance.now() - start > deadlineMs) {
      throw new Error(`not within ${deadlineMs} ms: ${typeof what === 'string' ? what : what()}`)
    }
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

/** The value of `promise`; rejects if there is none before the deadline. */
export async function within<T>(promise: Promise<T>, failure: () => Error): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(failure()), DEADLINE_MS)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}

/**
 * Waits for `ms`. Never to order events: only to give something that must not happen the time to happen, or to measure
 * what is used meanwhile.
 */
export async function pass(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms))
}
