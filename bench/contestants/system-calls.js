// A floor, not a lock: the system calls that the algorithm of slocket needs, made from Node with nothing around them.
import { linkSync, mkdirSync, readdirSync, rmdirSync, unlinkSync } from 'node:fs'
import { createRequire } from 'node:module'

const require = createRequire(import.meta.url)

export function open(path, { linger } = {}) {
  const members = `${path}/.members`
  const socket = `${members}/socket`
  let number = 0
  let server

  function join() {
    mkdirSync(path)
    mkdirSync(members)
    // Loaded with the first lock, as in slocket: many processes that could lock never do.
    server = require('node:net').createServer().listen(socket).unref()
  }

  function leave() {
    server.close() // also unlinks its socket
    server = undefined
    rmdirSync(members)
    rmdirSync(path)
  }

  function acquire() {
    if (server === undefined) join()
    const ticket = `${path}/2-${(number += 1)}`
    linkSync(socket, ticket)
    readdirSync(path)
    return ticket
  }

  function release(ticket) {
    unlinkSync(ticket)
    if (linger === 0) leave()
  }

  return {
    acquire,
    release,
    acquireSync: acquire,
    releaseSync: release,
    close() {
      if (server !== undefined) leave()
    },
  }
}
