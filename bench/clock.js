/** Milliseconds of the kernel's monotonic clock, which all processes share. */
export function now() {
  return Number(process.hrtime.bigint()) / 1e6
}
