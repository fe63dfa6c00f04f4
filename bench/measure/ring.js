// One of some processes in a ring: a byte goes round, over Unix sockets. No hand-off between processes of Node is quicker.
import { createConnection, createServer } from 'node:net'
import { once } from 'node:events'
import { now } from '../clock.js'
import { options, tell, told, until } from './told.js'

const { path, index, processes } = options
const server = createServer().listen(`${path}-${index}`)
const connected = once(server, 'connection')
await once(server, 'listening')
tell('listening')
await told()
const next = createConnection(`${path}-${(index + 1) % processes}`)
const [previous] = await connected

const BYTE = Buffer.of(1)
let times = { from: Infinity, end: Infinity }
let operations = 0
let cpu
previous.on('data', () => {
  const moment = now()
  if (moment >= times.from && moment < times.end) {
    cpu ??= process.cpuUsage()
    operations += 1
  }
  next.write(BYTE)
})
for (const socket of [previous, next]) socket.on('error', () => {})
tell('ready')
times = await told()
await until(times.begin)
if (index === 0) next.write(BYTE)
await until(times.end)
const { user, system } = process.cpuUsage(cpu)
tell({ operations, waits: [], cpu: user + system })
