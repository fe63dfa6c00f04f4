// A floor: a queue of tickets with the same calls as slocket's, in as few lines as possible. It can't be used as a lock: it handles no
// errors, crashes or cancellations, and has only one claim.
import { existsSync, linkSync, mkdirSync, readdirSync, unlinkSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

const BELT_MS = 1000
const NUMBER_DIGITS = 19

function memberOf(ticket) {
  return ticket.slice(NUMBER_DIGITS + 1)
}

export function open(path) {
  const members = `${path}/.members`
  const member = `${process.pid}`
  const connections = new Map()
  let isWoken = false
  let wake = () => {}

  mkdirSync(members, { recursive: true })
  const server = createServer((socket) => read(socket)).listen(`${members}/${member}`)
  server.unref()
  const belt = setInterval(() => wake(), BELT_MS)

  function read(socket) {
    socket.on('error', () => {})
    socket.on('data', (data) => {
      for (const line of data.toString('latin1').split('\n')) {
        if (line.startsWith('hello ')) {
          connections.set(line.slice('hello '.length), socket)
          socket.write('wake\n')
        }
        if (line !== 'wake') continue
        isWoken = true
        wake()
      }
    })
  }

  async function connectTo(peer) {
    // The socket may not listen yet.
    while (!connections.has(peer)) {
      await new Promise((resolve) => {
        const socket = connect(`${members}/${peer}`, () => {
          read(socket)
          connections.set(peer, socket)
          socket.write(`hello ${member}\n`)
          resolve()
        }).on('error', () => setTimeout(resolve, 1))
      })
    }
  }

  function join() {
    const ticket = `${String(process.hrtime.bigint()).padStart(NUMBER_DIGITS, '0')}-${member}`
    linkSync(`${members}/${member}`, `${path}/${ticket}`)
    return ticket
  }

  function leave(ticket) {
    unlinkSync(`${path}/${ticket}`)
    const next = readdirSync(path).find((name) => name > ticket)
    if (next !== undefined) connections.get(memberOf(next))?.write('wake\n')
  }

  return {
    async acquire() {
      let ticket = join()
      let hasJoined = false
      for (;;) {
        isWoken = false
        const queue = readdirSync(path).filter((name) => !name.startsWith('.'))
        if (!hasJoined && queue.at(-1) !== ticket) {
          leave(ticket)
          ticket = join()
          continue
        }
        hasJoined = true
        const place = queue.indexOf(ticket)
        if (place === 0) return ticket
        const ahead = queue[place - 1]
        if (!connections.has(memberOf(ahead))) await connectTo(memberOf(ahead))
        else if (existsSync(`${path}/${ahead}`) && !isWoken) await new Promise((resolve) => (wake = resolve))
      }
    },
    release: (ticket) => leave(ticket),
    async close() {
      clearInterval(belt)
      for (const socket of connections.values()) socket.end()
      await sleep(0)
      server.close()
    },
  }
}
