/** The name of the sequence that tokens come from. */

/** Checks the name and returns it quoted. @throws TypeError */
export function parseSequence(name: unknown): string {
  if (typeof name !== 'string' || !/^[A-Za-z_][\w$]*\.[A-Za-z_][\w$]*$/.test(name)) {
    throw new TypeError("options.sequence must be a schema and a name, as in 'public.slocket_token'")
  }
  return name
    .split('.')
    .map((part) => `"${part}"`)
    .join('.')
}
