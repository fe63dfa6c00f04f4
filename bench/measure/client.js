// Acquires and releases when ordered to, and reports each grant.
import { now } from '../clock.js'
import { load } from '../contestants/index.js'
import { options, send, receive } from './messages.js'

const { contestant, path } = options
const lock = (await load(contestant)).open(path, {})
send('ready')
for (;;) {
  await receive() // to acquire
  send('asking')
  const held = await lock.acquire()
  send({ granted: now() })
  await receive() // to release
  await lock.release(held)
  send('released')
}
