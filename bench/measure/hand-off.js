// One of several processes that take the same lock in a loop.
import { now } from '../clock.js'
import { load } from '../contestants/index.js'
import { SECTIONS } from './sections.js'
import { options, send, receive, until } from './messages.js'

const { contestant, path, section: kind, claim = {} } = options
const { open } = await load(contestant)
const section = SECTIONS[kind](options)
const exclusive = open(path, claim)
const shared = kind === 'readers' ? open(path, { mode: 'shared' }) : undefined

await cycle()
send('ready')
const { begin, from, end } = await receive()
await until(begin)

const waits = []
let operations = 0
let cpu
for (;;) {
  const asked = now()
  if (asked >= end) break
  if (asked >= from) cpu ??= process.cpuUsage()
  const granted = await cycle()
  if (asked < from) continue // others are not warm yet
  waits.push(Math.round((granted - asked) * 1e4) / 1e4)
  if (granted < end) operations += 1 // else others have stopped already
}
const { user, system } = process.cpuUsage(cpu)
send({ operations, waits, cpu: cpu === undefined ? 0 : user + system, ...section.result() })
await exclusive.close?.()
await shared?.close?.()

/** Returns the time of the grant. */
async function cycle() {
  const lock = section.isShared() ? shared : exclusive
  const held = await lock.acquire()
  const granted = now()
  section.enter()
  section.leave()
  await lock.release(held)
  return granted
}
