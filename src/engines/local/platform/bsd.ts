/** macOS and the BSDs, as far as they differ from Linux for the local engine: decision 0016. Never run on one of them: so far they were imitated on Linux. */

const KERNELS: ReadonlySet<string> = new Set(['darwin', 'freebsd', 'netbsd', 'openbsd'])

/** Whether the kernel is macOS's or a BSD's. */
export const isBsd: boolean = KERNELS.has(process.platform)
