// A floor for idling: a process that waits for nothing.
const LONGEST_MS = 2 ** 31 - 1

export function open() {
  return { acquire: () => new Promise(() => setInterval(() => {}, LONGEST_MS)), release: () => {} }
}
