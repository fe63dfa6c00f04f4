import assert from 'node:assert/strict'
import { test } from 'node:test'
import { describeBoth } from './before-and-after.ts'

const FOR_EVER = '1000000'

describeBoth('polite-deploy', ({ place, program }) => {
  // A holder that is slow to answer is shown without its label.
  const deploys = (pid: number, name: string): string =>
    `process ${pid} deploys (${name}|something), since \\d{4}-\\d\\d-\\d\\dT`

  test('a waiting deploy names the holder, and so does one that gives up; the lock can be taken from one that hangs, which notices', async () => {
    const first = place.start(program('first'), { env: { DEPLOY_SECONDS: FOR_EVER } })
    await first.says(/deploying first/)
    const second = place.start(program('second'), { env: { DEPLOY_SECONDS: '0' } })
    await second.complains(new RegExp(`^waiting; ${deploys(first.pid, 'first')}`))

    const hasty = await place.run(program('hasty'), { env: { TIMEOUT_MS: '1' } })
    assert.deepEqual([hasty.status, hasty.stdout], [75, ''])
    assert.match(hasty.stderr, new RegExp(`^gave up; ${deploys(first.pid, 'first')}.*\n$`))

    const wrong = await place.run(program('wrong', '--take', String(second.pid)), { env: { TIMEOUT_MS: '1' } })
    assert.equal(wrong.status, 75)
    assert.match(wrong.stderr, new RegExp(`^process ${second.pid} does not hold the lock\n`))

    const third = await place.run(program('third', '--take', String(first.pid)), { env: { DEPLOY_SECONDS: '0' } })
    assert.deepEqual([third.status, third.stdout], [0, 'deploying third\nthird is deployed\n'], third.stderr)
    assert.match(third.stderr, new RegExp(`^taken from process ${first.pid}\n`))
    const victim = await first.ended()
    assert.deepEqual([victim.status, victim.stderr], [1, 'first is not deployed: somebody took the lock away\n'])
    const patient = await second.ended()
    assert.deepEqual([patient.status, patient.stdout], [0, 'deploying second\nsecond is deployed\n'], patient.stderr)
  })
})
