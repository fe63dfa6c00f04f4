/** Refuses unknown options: if a misspelt option were ignored, the call would get another lock than its caller wanted. */

import { adviceOn } from './option-advice.ts'

/** Hints for options of similar libraries, by the name of the option. */
export type OptionHints = Readonly<Record<string, string>>

/**
 * @param of the call that the options are for, as the message shows it: `slocket()`.
 * @throws TypeError that names the first unknown option, and the nearest known one.
 */
export function checkKnownOptions(
  options: object,
  known: ReadonlySet<string>,
  of: string,
  hints: OptionHints = {},
): void {
  for (const name of Object.keys(options)) {
    if (known.has(name)) continue
    // `{ ...options, timeout: undefined }` removes an option for a call that doesn't have it.
    if ((options as Record<string, unknown>)[name] === undefined && Object.hasOwn(hints, name)) continue
    throw new TypeError(`unknown option '${name.slice(0, 50)}' of ${of}: ${adviceOn(name, known, hints)}`)
  }
}
