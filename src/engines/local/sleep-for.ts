/** Waits, and keeps the process alive meanwhile. */
export async function sleepFor(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms))
}
