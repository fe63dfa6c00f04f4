// Takes the lock again and again until it is killed.
import { load } from '../contestants/index.js'
import { options, tell } from './told.js'

const { contestant, path, claim = {} } = options
const lock = (await load(contestant)).open(path, claim)
await lock.release(await lock.acquire())
tell('ready')
for (;;) await lock.release(await lock.acquire())
