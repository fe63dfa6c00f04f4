// A script that locks once and ends. It imports only the contestant.
const [contestant, path] = process.argv.slice(2)
const { open } = await import(`../contestants/${contestant}.js`)
const lock = open(path, {})
await lock.release(await lock.acquire())
