/** How long anything that must happen may take, in ms. The alternative is for ever, and the machine may be busy; scripts/arm64.sh sets more. */
export const DEADLINE_MS: number = Number(process.env['SLOCKET_TEST_DEADLINE_SECONDS'] ?? 60) * 1000

/**
 * Resolves once `condition` gives something other than undefined or false, with that.
 *
 * @param what what is waited for; a function is asked when the deadline is over.
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

/** What `promise` gives, or the failure where it gives nothing before the deadline. */
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
 * Lets `ms` pass. Never to order events: only to give something that must not happen the time to happen, or to measure
 * what is used meanwhile.
 */
export async function pass(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms))
}
