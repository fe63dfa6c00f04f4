// A thread that blocks from before it takes the lock until long after it has released it.
import { now } from '../clock.js'
import { load } from '../contestants/index.js'
import { options, send } from './messages.js'

const { contestant, path, holdMs, tailMs } = options
const lock = (await load(contestant)).open(path, {})
const held = lock.acquireSync()
send('granted') // is written at once: a pipe to a parent that reads
block(holdMs)
const released = now()
lock.releaseSync(held)
block(tailMs)
send({ released })

function block(ms) {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
}
