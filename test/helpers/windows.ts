/** The reason why a test can't run on Windows, or under Wine; false elsewhere. For `skip`. */

export function exceptOnWindows(reason: string): string | false {
  return process.platform === 'win32' && reason
}

export const NO_REMOVAL: string | false = exceptOnWindows('on Windows nobody removes a ticket while its owner lives')
export const NO_LINKS: string | false = exceptOnWindows(
  'Windows makes symbolic links for administrators only, and Wine 8 makes none',
)
export const NO_ACCESS: string | false = exceptOnWindows('on Windows there is no option access')
/** See NO_STOPS of scenario.ts. */
export const IN_USE: string | false = exceptOnWindows('on Windows nobody removes a directory that a process is in')
