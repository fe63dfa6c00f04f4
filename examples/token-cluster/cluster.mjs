// Eight workers need the token at the same time: node cluster.mjs [--kill]
import cluster from 'node:cluster'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { getToken } from './token.mjs'

const WORKERS = 8

if (cluster.isPrimary) await runPrimary(process.argv.includes('--kill'))
else await runWorker(process.env.TOKEN_FILE, process.env.TOKEN_SERVER)

async function runWorker(file, server) {
  const go = once(process, 'message')
  process.send('ready')
  await go
  const token = await getToken(file, async () => {
    const response = await fetch(`${server}?pid=${process.pid}`, { signal: AbortSignal.timeout(10_000) })
    if (!response.ok) throw new Error(`the server answers ${response.status}`)
    return await response.json()
  })
  process.send(token, () => process.disconnect())
}

/** @param {boolean} killFirst whether to kill the first worker that asks the server, before the server answers. */
async function runPrimary(killFirst) {
  const directory = await mkdtemp(join(tmpdir(), 'token-'))
  let requests = 0

  // Stands for the server that issues tokens.
  const server = createServer((request, response) => {
    requests += 1
    const number = requests
    if (killFirst && number === 1) {
      process.kill(Number(new URL(request.url, 'http://localhost').searchParams.get('pid')), 'SIGKILL')
      return
    }
    const token = { value: `token ${number}`, expiresAt: Date.now() + 3_600_000 }
    setTimeout(() => response.end(JSON.stringify(token)), 200)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')

  const environment = {
    TOKEN_FILE: join(directory, 'token.json'),
    TOKEN_SERVER: `http://127.0.0.1:${server.address().port}`,
  }
  const workers = Array.from({ length: WORKERS }, () => cluster.fork(environment))
  await Promise.all(workers.map((worker) => once(worker, 'message')))
  const tokens = []
  for (const worker of workers) {
    worker.once('message', (token) => tokens.push(token))
    worker.send('go')
  }
  await Promise.all(workers.map((worker) => once(worker, 'exit')))

  console.log(`${tokens.length} workers have ${[...new Set(tokens)].join(' and ')}, after ${requests} request(s)`)
  server.close()
  server.closeAllConnections()
  await rm(directory, { recursive: true })
}
