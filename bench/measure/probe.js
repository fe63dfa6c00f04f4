// Takes a free lock once, to check whether the contestant works on this machine.
import { load, prepare } from '../contestants/index.js'

const [contestant, path] = process.argv.slice(2)
prepare(contestant, path)
const lock = (await load(contestant)).open(path, {})
await lock.release(await lock.acquire())
await lock.close?.()
