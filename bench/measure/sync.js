// The first synchronous acquire of a free lock, and some more.
import { now } from '../clock.js'
import { load } from '../contestants/index.js'
import { median } from '../statistics.js'
import { options, send } from './messages.js'

const MORE = 50

const { contestant, path } = options
const lock = (await load(contestant)).open(path, {})
const begun = now()
const held = lock.acquireSync()
const first = now() - begun
lock.releaseSync(held)

const times = []
for (let done = 0; done < MORE; done += 1) {
  const from = now()
  lock.releaseSync(lock.acquireSync())
  times.push((now() - from) * 1000)
}
send({ first, next: median(times) })
