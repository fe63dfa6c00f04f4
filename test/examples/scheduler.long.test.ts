import assert from 'node:assert/strict'
import fs from 'node:fs'
import { test } from 'node:test'
import { until } from '../helpers/until.ts'
import { describeBoth } from './before-and-after.ts'

const PERIOD_MS = 200

describeBoth('scheduler', ({ place, program }) => {
  const env = { PERIOD_MS: String(PERIOD_MS) }
  const runs = (): string[] =>
    fs.existsSync(place.path('job.log')) ? fs.readFileSync(place.path('job.log'), 'utf8').trim().split('\n') : []

  test('one process leads, and runs the job at most once a period, runs by hand included; when it ends, another one leads', async () => {
    const candidates = Array.from({ length: 3 }, () => place.start(program(), { env }))
    const leading = (): typeof candidates => candidates.filter(({ stdout }) => / leads\n/.test(stdout))
    for (const candidate of candidates) await candidate.says(/ is ready\n/)
    await until('one leads', () => leading().length === 1)
    const [leader] = leading()
    await until('it has run the job', () => runs().length > 0)
    const startMs = performance.now()
    const earlier = runs().length

    const byHand = place.start(program('--now'), { env })
    const { status, stderr } = await byHand.ended()
    assert.deepEqual([status, stderr], [0, ''])
    assert.deepEqual([...new Set(runs())].sort(), [leader!.pid, byHand.pid].map(String).sort())
    assert.equal(runs().filter((pid) => pid === String(byHand.pid)).length, 1)
    assert.equal(leading().length, 1)

    leader!.kill('SIGTERM')
    const ended = await leader!.ended()
    assert.deepEqual([ended.status, ended.stderr], [0, ''])
    await until('another one leads', () => leading().length === 2)
    const next = leading().find((candidate) => candidate !== leader)!
    await until('it has run the job', () => runs().includes(String(next.pid)))
    await until('there are more runs', () => runs().length - earlier >= 10)
    // Of those since then, each but the first was granted after `startMs`, a period after the one before. A timer may be a millisecond early.
    const count = runs().length - earlier
    assert.ok(performance.now() - startMs >= (count - 2) * (PERIOD_MS - 1), `${count} runs`)

    for (const candidate of candidates) candidate.kill('SIGTERM')
    for (const { status: code, stderr: complaint } of await Promise.all(candidates.map((one) => one.ended())))
      assert.deepEqual([code, complaint], [0, ''])
  })
})
