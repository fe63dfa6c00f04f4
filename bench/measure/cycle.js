// Takes the lock in a loop until it is killed.
import { load } from '../contestants/index.js'
import { options, send } from './messages.js'

const { contestant, path, claim = {} } = options
const lock = (await load(contestant)).open(path, claim)
await lock.release(await lock.acquire())
send('ready')
for (;;) await lock.release(await lock.acquire())
