import assert from 'node:assert/strict'
import fs from 'node:fs'
import { test } from 'node:test'
import { until } from '../helpers/until.ts'
import { describeBoth } from './before-and-after.ts'

const FOR_EVER = '1000000'

describeBoth('scheduler', ({ place, program }) => {
  test('if the leader is killed, another one leads', async () => {
    const env = { PERIOD_MS: '100' }
    const first = place.start(program(), { env })
    await first.says(/ leads\n/)
    const second = place.start(program(), { env })
    await second.says(/ is ready\n/)
    first.kill('SIGKILL')
    await second.says(/ leads\n/)
    const log = (): string => fs.readFileSync(place.path('job.log'), 'utf8')
    await until('it has run the job', () => log().includes(`${second.pid}\n`))
  })
})

describeBoth('polite-deploy', ({ place, program }) => {
  test('if a deploy is killed, the next one deploys', async () => {
    const first = place.start(program('first'), { env: { DEPLOY_SECONDS: FOR_EVER } })
    await first.says(/deploying first/)
    const second = place.start(program('second'), { env: { DEPLOY_SECONDS: '0' } })
    await second.complains(new RegExp(`^waiting; process ${first.pid} `))
    first.kill('SIGKILL')
    const { status, stdout, stderr } = await second.ended()
    assert.deepEqual([status, stdout], [0, 'deploying second\nsecond is deployed\n'], stderr)
  })
})

describeBoth('task-boards', ({ place, program, holder }) => {
  test('if a process that has locked a board is killed, the next move continues', async () => {
    await place.run(program('add', 'from.json', 'task'))
    const holding = place.start(holder('to.json'))
    await holding.says(/held/)
    const moving = place.start(program('move', 'from.json', 'to.json', 'task'))
    holding.kill('SIGKILL')
    const { status, stderr } = await moving.ended()
    assert.deepEqual([status, stderr], [0, ''])
    assert.equal(fs.readFileSync(place.path('to.json'), 'utf8'), '["task"]')
  })
})
