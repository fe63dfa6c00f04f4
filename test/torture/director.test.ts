/** Clients of the torture tests end when their director does, however it ends: their standard input closes. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import type { ChildProcessByStdio } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import type { ClientConfig, Report } from '../../torture/client/config.ts'
import { isRunning } from '../helpers/command.ts'
import { until, within } from '../helpers/until.ts'

type Client = ChildProcessByStdio<Writable, Readable, null>

async function withClient(
  program: string,
  parametersIn: (directory: string) => readonly string[],
  body: (client: Client) => Promise<void>,
): Promise<void> {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'slocket-director-'))
  const file = fileURLToPath(new URL(program, import.meta.url))
  // Of a group of its own, for the case that it does not end.
  const client = spawn(process.execPath, [file, ...parametersIn(directory)], {
    stdio: ['pipe', 'pipe', 'inherit'],
    detached: true,
  })
  try {
    await body(client)
  } finally {
    if (isRunning(client.pid!)) process.kill(-client.pid!, 'SIGKILL')
    fs.rmSync(directory, { recursive: true, force: true })
  }
}

async function endsWithItsInput(client: Client): Promise<void> {
  const exit = once(client, 'exit')
  client.stdin.end()
  await within(exit, () => new Error('it goes on'))
}

test('a client of the local engine, with its threads and workers', async () => {
  const config = (directory: string): ClientConfig => ({
    name: 'p1',
    seed: 1,
    traces: directory,
    locks: [{ id: 'a', place: 'disk', claims: ['exclusive'], isFragile: false, path: path.join(directory, 'a.lock') }],
    behaviour: {
      actors: 1,
      holdMs: 5,
      pauseMs: 5,
      tries: 0,
      timeouts: 0,
      aborts: 0,
      bursts: 0,
      nested: 0,
      downgrades: 0,
      queries: 0,
      lingers: [0],
    },
    threads: 1,
    workers: 1,
    maySuffer: false,
    clockOffsetSeconds: 0,
  })
  const parametersIn = (directory: string): string[] => [JSON.stringify(config(directory))]
  await withClient('../../torture/client/main.js', parametersIn, async (client) => {
    const reports: Report[] = []
    createInterface({ input: client.stdout }).on('line', (line) => reports.push(JSON.parse(line) as Report))
    await until('it and its worker run', () => reports.length === 2)
    await endsWithItsInput(client)
    await until('all have ended', () => reports.every(({ pid }) => !isRunning(pid)))
  })
})

test('a client of another engine, even if it has not reached its server yet', async () => {
  const engine = JSON.stringify({ kind: 'etcd', options: { endpoints: ['127.0.0.1:1'] } })
  const parametersIn = (directory: string): string[] => ['c1', path.join(directory, 'trace'), engine]
  await withClient('../engines/programs/client.js', parametersIn, async (client) => {
    await endsWithItsInput(client)
    assert.equal(client.exitCode, 0)
  })
})
