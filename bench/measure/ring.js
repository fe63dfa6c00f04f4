// A process in a ring: a byte is passed around over Unix sockets. No hand-off between Node processes is faster.
import { createConnection, createServer } from 'node:net'
import { once } from 'node:events'
import { now } from '../clock.js'
import { options, send, receive, until } from './messages.js'

const { path, index, processes } = options
const server = createServer().listen(`${path}-${index}`)
const connected = once(server, 'connection')
await once(server, 'listening')
send('listening')
await receive()
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
send('ready')
times = await receive()
await until(times.begin)
if (index === 0) next.write(BYTE)
await until(times.end)
const { user, system } = process.cpuUsage(cpu)
send({ operations, waits: [], cpu: user + system })
