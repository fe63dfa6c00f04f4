// Acquires and releases when it is told to, and says when it was granted.
import { now } from '../clock.js'
import { load } from '../contestants/index.js'
import { options, tell, told } from './told.js'

const { contestant, path } = options
const lock = (await load(contestant)).open(path, {})
tell('ready')
for (;;) {
  await told() // to acquire
  tell('asking')
  const held = await lock.acquire()
  tell({ granted: now() })
  await told() // to release
  await lock.release(held)
  tell('released')
}
