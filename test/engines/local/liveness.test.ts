import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'

const LIVENESS = new URL('../../../src/engines/local/liveness.js', import.meta.url).href
const KERNEL = new URL('../../../src/engines/local/kernel.js', import.meta.url).href

test('on Linux a refused connection is proof of death, whatever process ids say', () => {
  assert.deepEqual(ask({}), { ofThere: true, ofGone: true })
})

test('in Bun, which takes a full backlog for a refusal, the process must be gone as well', () => {
  assert.deepEqual(ask({ versions: { ...process.versions, bun: '1.4.5' } }), { ofThere: false, ofGone: true })
})

test('so it must on kernels that refuse when a backlog is full', () => {
  assert.deepEqual(ask({ platform: 'darwin' }), { ofThere: false, ofGone: true })
})

/** Asks a process of which `faked` is said: does a refusal prove the death of a ticket of a process that is there, of one that is not? */
function ask(faked: Partial<Record<'versions' | 'platform', unknown>>): unknown {
  const { pid: gone } = spawnSync('true')
  const code = `
    for (const [name, value] of Object.entries(${JSON.stringify(faked)})) Object.defineProperty(process, name, { value })
    const { isProvenDead } = await import(${JSON.stringify(LIVENESS)})
    const { kernelId } = await import(${JSON.stringify(KERNEL)})
    const isDead = (pid) => isProvenDead({}, { pid, kernel: kernelId() })
    console.log(JSON.stringify({ ofThere: isDead(process.pid), ofGone: isDead(${gone}) }))`
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', code], { encoding: 'utf8' })
  assert.equal(stderr, '')
  return JSON.parse(stdout)
}
