// Takes the permits of a process one after the other, and counts how often it lists a directory for that.
import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { now } from '../clock.js'
import { load } from '../contestants/index.js'
import { options, send } from './messages.js'

let listings = 0
count(fs, ['readdir', 'readdirSync', 'opendir', 'opendirSync'])
count(fs.promises, ['readdir', 'opendir'])
syncBuiltinESMExports()

const { contestant, path, permits } = options
const lock = (await load(contestant)).open(path, { permits })
const held = [await lock.acquire()] // opens the lock
// What the first one has yet to do isn't counted.
await new Promise((resolve) => setImmediate(resolve))
listings = 0
const from = now()
while (held.length < permits) held.push(await lock.acquire())
const elapsedMs = now() - from
const counted = permits - 1
send({ rate: (counted * 1000) / elapsedMs, listings: listings / counted })
for (const permit of held) await lock.release(permit)

/** Counts each call of these functions as one listing from now on. */
function count(module, names) {
  for (const name of names) {
    const list = module[name]
    module[name] = function (...parameters) {
      listings += 1
      return list.apply(this, parameters)
    }
  }
}
