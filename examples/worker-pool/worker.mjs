// Computes a key, if fewer than three others do: node worker.mjs LOCK LOG
import { pbkdf2Sync } from 'node:crypto'
import { appendFileSync } from 'node:fs'
import slocket from 'slocket'

const [path, log] = process.argv.slice(2)

await slocket.with(path, { permits: 3, label: 'computes a key' }, () => {
  appendFileSync(log, `begin ${process.pid}\n`)
  process.send?.('begins')
  pbkdf2Sync('password', 'salt', 50_000, 64, 'sha512')
  appendFileSync(log, `end ${process.pid}\n`)
})
process.disconnect?.()
