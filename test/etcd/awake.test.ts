import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { withinAwake } from '../../src/engines/awake.ts'

const LIMIT_MS = 100
const late = (): Error => new Error('late')

describe('a limit that counts only time in which the process runs', () => {
  test('expires', async () => {
    const sinceMs = performance.now()
    await assert.rejects(withinAwake(alive(), LIMIT_MS, late), { message: 'late' })
    assert.ok(performance.now() - sinceMs >= LIMIT_MS * 0.9)
  })

  test('does not expire while the event loop blocks: what has arrived meanwhile is handled first', async () => {
    const answered = new Promise<string>((resolve) => setTimeout(resolve, LIMIT_MS + 50, 'answer'))
    const asked = withinAwake(answered, LIMIT_MS, late)
    const endMs = performance.now() + 4 * LIMIT_MS
    while (performance.now() < endMs);
    assert.equal(await asked, 'answer')
  })

  test('reports once that half of it has passed, unless there is an answer by then', async () => {
    const said: string[] = []
    const failure = (): Error => {
      said.push('late')
      return late()
    }
    await assert.rejects(withinAwake(alive(), LIMIT_MS, failure, () => said.push('half')))
    assert.deepEqual(said, ['half', 'late'])
    await withinAwake(Promise.resolve(), 10 * LIMIT_MS, failure, () => said.push('half'))
    await alive()
    assert.deepEqual(said, ['half', 'late'])
  })

  test('ends with the answer, and passes its failure on', async () => {
    assert.equal(await withinAwake(Promise.resolve(1), LIMIT_MS, late), 1)
    await assert.rejects(withinAwake(Promise.reject(new Error('refused')), LIMIT_MS, late), { message: 'refused' })
  })
})

/** A promise that never resolves, in a process that continues. */
async function alive(): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 50 * LIMIT_MS))
}
