import assert from 'node:assert/strict'
import fs from 'node:fs'
import { after, describe, test } from 'node:test'
import { until } from '../helpers/until.ts'
import { node, placeExample } from './folder.ts'

const LONG_SECONDS = '600'

describe('the example of a cron job with a status', () => {
  const place = placeExample('cron-status')
  const report = (seconds: string): string[] => node('report.cjs', seconds)
  after(() => place.close())

  test('a second run says who is running, since when, and so does the command; after a kill, the next run removes what was left', async () => {
    const first = place.start(report(LONG_SECONDS))
    await first.says(/begins/)

    const second = await place.run(report('0'))
    const [, since] = new RegExp(`^still running: process ${first.pid}, since (.+)\n$`).exec(second.stdout) ?? [
      undefined,
      second.stdout + second.stderr,
    ]
    assert.ok(Date.parse(since) <= Date.now(), since)
    assert.equal(second.status, 0)
    // A holder that is slow to answer is shown without its label.
    const label = new RegExp(`${first.pid}.*nightly report`)
    await until('the command shows the label', async () =>
      label.test((await place.runSlocket('status', 'report.lock')).stdout),
    )
    assert.ok(!fs.existsSync(place.path('report.txt')))

    first.kill('SIGKILL')
    await first.ended()
    const third = await place.run(report('0'))
    assert.equal(
      third.stdout,
      'the last run was killed: what it has left is removed\nbegins\nreport.txt is written\n',
      third.stderr,
    )
    assert.equal(fs.readFileSync(place.path('report.txt'), 'utf8'), 'all of the report\n')
    assert.deepEqual(
      fs.readdirSync(place.directory).filter((name) => name.startsWith('report.')),
      ['report.cjs', 'report.txt'],
    )
  })
})
