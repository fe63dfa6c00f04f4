// The first acquire of a lock that nobody uses, and the last release, of many locks one after the other.
import { now } from '../clock.js'
import { load, prepare } from '../contestants/index.js'
import { median } from '../statistics.js'
import { options, send } from './messages.js'

const { contestant, directory, locks } = options
const { open } = await load(contestant)
const acquires = []
const releases = []

for (let index = 0; index < locks; index += 1) {
  const path = `${directory}/${index}`
  prepare(contestant, path)
  const begun = now()
  const lock = open(path, { linger: 0 })
  const held = await lock.acquire()
  const acquired = now()
  await lock.release(held)
  await lock.close?.()
  releases.push((now() - acquired) * 1000)
  acquires.push((acquired - begun) * 1000)
}
send({ first: acquires[0], acquire: median(acquires.slice(1)), release: median(releases.slice(1)) })
