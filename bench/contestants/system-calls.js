// A floor: no lock, but the calls that the algorithm of slocket cannot do without, made from Node with nothing around them.
import { linkSync, mkdirSync, readdirSync, rmdirSync, unlinkSync } from 'node:fs'
import { createServer } from 'node:net'

export function open(path, { linger } = {}) {
  const members = `${path}/.members`
  const socket = `${members}/socket`
  let number = 0
  let server

  function join() {
    mkdirSync(path)
    mkdirSync(members)
    server = createServer().listen(socket).unref()
  }

  function leave() {
    server.close() // also unlinks its socket
    server = undefined
    rmdirSync(members)
    rmdirSync(path)
  }

  return {
    acquire() {
      if (server === undefined) join()
      const ticket = `${path}/2-${(number += 1)}`
      linkSync(socket, ticket)
      readdirSync(path)
      return ticket
    },
    release(ticket) {
      unlinkSync(ticket)
      if (linger === 0) leave()
    },
    close() {
      if (server !== undefined) leave()
    },
  }
}
