// Holds until `node --watch` ends it.
import slocket from 'slocket'
import { join } from 'node:path'

const lock = await slocket(join(process.env.LOCKS, 'watched'))
if (lock.held) console.log(`held ${process.pid}`)
setInterval(() => {}, 1000)
