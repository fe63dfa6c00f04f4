// Takes a free lock once: does the contestant work here at all?
import { load, prepare } from '../contestants/index.js'

const [contestant, path] = process.argv.slice(2)
prepare(contestant, path)
const lock = (await load(contestant)).open(path, {})
await lock.release(await lock.acquire())
await lock.close?.()
