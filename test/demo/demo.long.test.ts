/** The demo runs, and finds the lock sound. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

interface Ended {
  readonly code: number | string | null | undefined
  readonly stdout: string
  readonly stderr: string
}

/** @param directory for its temporary files. */
function demo(directory: string, ...parameters: readonly string[]): Promise<Ended> {
  const program = fileURLToPath(new URL('../../demo/main.js', import.meta.url))
  const env = { ...process.env, TMPDIR: directory }
  return new Promise((resolve) => {
    execFile(process.execPath, [program, ...parameters], { env }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : error.code, stdout, stderr })
    })
  })
}

async function inTemporaryDirectory(body: (directory: string) => Promise<void>): Promise<void> {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'demo-test-'))
  try {
    await body(directory)
  } finally {
    fs.rmSync(directory, { recursive: true, force: true })
  }
}

test('the demo ends with a summary, and with 0 since ledger and counter agree', async () => {
  await inTemporaryDirectory(async (directory) => {
    const { code, stdout, stderr } = await demo(directory, '--seconds', '3', '--workers', '4', '--seed', '1')
    assert.equal(code, 0, stdout + stderr)
    assert.equal(stderr, '')
    const number = String.raw`[\d,]+`
    assert.match(
      stdout,
      new RegExp(
        `^acquisitions ${number} {3}kills ${number} \\(${number} while holding\\) {3}stops ${number} {3}` +
          `repaired after a crash ${number}$`,
        'm',
      ),
    )
    assert.match(stdout, /^takeover after kill -9: (median [\d.]+ ms, worst [\d.]+ ms|none measured)$/m)
    assert.match(stdout, /^ledger and counter agree: ([\d,]+) = \1\n$/m)
    assert.deepEqual(fs.readdirSync(directory), [], 'nothing is left behind')
  })
})

test('the demo rejects wrong arguments', async () => {
  await inTemporaryDirectory(async (directory) => {
    const { code, stderr } = await demo(directory, '--workers', 'many')
    assert.equal(code, 2)
    assert.match(stderr, /--workers must be a whole number from 1 to 35, not 'many'/)
  })
})
