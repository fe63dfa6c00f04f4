import assert from 'node:assert/strict'
import fs from 'node:fs'
import { after, describe, test } from 'node:test'
import { slocket } from '../../src/index.ts'
import { until } from '../helpers/until.ts'
import { node, placeExample } from './folder.ts'

describe('the example of a command that guards its config file', () => {
  const place = placeExample('config-cli')
  const set = (...parameters: readonly string[]): string[] => node('config.mjs', ...parameters)
  const hold = node(
    '--input-type=module',
    '-e',
    `import slocket from 'slocket'
     await slocket('app.json.lock', { label: 'by hand' })
     console.log('held')
     setInterval(() => {}, 1000)`,
  )
  const read = (name: string): unknown => JSON.parse(fs.readFileSync(place.path(name), 'utf8'))
  after(() => place.close())

  test('of eight commands at the same time, no change is lost', async () => {
    const keys = Array.from({ length: 8 }, (_, number) => `key${number}`)
    const endings = await Promise.all(keys.map((key) => place.run(set('many.json', key, `value of ${key}`))))
    for (const { status, stderr } of endings) assert.equal(status, 0, stderr)
    assert.deepEqual(read('many.json'), Object.fromEntries(keys.toSorted().map((key) => [key, `value of ${key}`])))
    assert.deepEqual(
      fs.readdirSync(place.directory).filter((name) => name.startsWith('many.json')),
      ['many.json'],
    )
  })

  test('a waiting command names the holder; Ctrl-C cancels the wait, and the others get the lock when its holder is killed', async () => {
    fs.writeFileSync(place.path('app.json'), '{ "old": "value" }')
    const holder = place.start(hold)
    await holder.says(/held/)
    const interrupted = place.start(set('app.json', 'interrupted', 'yes'))
    const patient = place.start(set('app.json', 'patient', 'yes'))
    // A holder that is slow to answer is shown without its label.
    const waiting = new RegExp(
      `^waiting for process ${holder.pid} \\((by hand|no label)\\), which has held the lock since \\d`,
    )
    await Promise.all([interrupted.complains(waiting), patient.complains(waiting)])
    await until('both wait', async () => (await slocket.query(place.path('app.json.lock'))).pending.length === 2)

    interrupted.kill('SIGINT')
    const { status, stderr } = await interrupted.ended()
    assert.equal(status, 130, stderr)
    assert.match(stderr, /interrupted: app\.json is unchanged\n$/)
    assert.deepEqual(read('app.json'), { old: 'value' })

    holder.kill('SIGKILL')
    assert.equal((await patient.ended()).status, 0)
    assert.deepEqual(read('app.json'), { old: 'value', patient: 'yes' })
  })

  test('a file that is not JSON is an error, the file stays unchanged, and the lock is free', async () => {
    fs.writeFileSync(place.path('broken.json'), '{')
    const { status, stderr } = await place.run(set('broken.json', 'key', 'value'))
    assert.equal(status, 1)
    assert.match(stderr, /SyntaxError/)
    assert.equal(fs.readFileSync(place.path('broken.json'), 'utf8'), '{')
    assert.deepEqual(await slocket.query(place.path('broken.json.lock')), { held: [], pending: [] })
  })

  test('too few arguments are a usage error', async () => {
    const { status, stderr } = await place.run(set('app.json'))
    assert.equal(status, 2)
    assert.match(stderr, /^usage: /)
  })
})
