// A floor for `slocket run`: no lock, but the calls that the algorithm of slocket cannot do without, around a command.
const { linkSync, mkdirSync, readdirSync, rmdirSync, unlinkSync } = require('node:fs')
const { createServer } = require('node:net')
const { spawn } = require('node:child_process')

const [, , path, program] = process.argv
const members = `${path}/.members`
const ticket = `${path}/2-1`
mkdirSync(members, { recursive: true })
const server = createServer().listen(`${members}/socket`, () => {
  linkSync(`${members}/socket`, ticket)
  readdirSync(path)
  spawn(program, { stdio: 'inherit' }).on('exit', (status) => {
    unlinkSync(ticket)
    server.close() // also unlinks its socket
    rmdirSync(members)
    rmdirSync(path)
    process.exitCode = status
  })
})
