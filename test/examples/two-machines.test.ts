// Run by npm run test:engines, which starts PostgreSQL.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { addressOf } from '../engines/helpers/servers.ts'
import { administer } from '../engines/postgres/admin.ts'
import { node, placeExample } from './folder.ts'

const FOR_EVER = '1000000'

describe(
  'the example of two machines',
  { skip: process.env['SLOCKET_POSTGRES'] ? false : 'it needs PostgreSQL: npm run test:engines' },
  () => {
    const place = placeExample('two-machines', ['pg'])
    const database = `example_${process.pid}`
    const env = { DATABASE_URL: '' }
    const machine = (times: string): string[] => node('machine.mjs', times)
    const numbers = (text: string): number[] => text.trim().split('\n').map(Number)

    before(async () => {
      const server = addressOf('postgres')
      await administer(server, `CREATE DATABASE ${database}`)
      const url = new URL(server)
      url.pathname = database
      env.DATABASE_URL = url.href
    })
    after(async () => {
      await place.close()
      await administer(addressOf('postgres'), `DROP DATABASE ${database} WITH (FORCE)`)
    })

    test('two machines at the same time lose no update, and if one is killed, the others go on', async () => {
      const killed = place.start(machine(FOR_EVER), { env })
      await killed.says(/^3$/m)
      const machines = [place.start(machine('20'), { env }), place.start(machine('20'), { env })]
      await machines[0]!.says(/\d/)
      killed.kill('SIGKILL')
      await killed.ended()
      const endings = await Promise.all(machines.map((running) => running.ended()))
      for (const { status, stderr } of endings) assert.equal(status, 0, stderr)
      const written = [killed, ...machines].flatMap(({ stdout }) => numbers(stdout)).sort((a, b) => a - b)
      // The killed machine may have written a number that it didn't live to print.
      const [{ value }] = (await administer(env.DATABASE_URL, 'SELECT value FROM example_counter')) as [
        { value: number },
      ]
      const missing = Array.from({ length: value }, (_, index) => index + 1).filter(
        (number) => !written.includes(number),
      )
      assert.equal(new Set(written).size, written.length)
      assert.equal(written.length + missing.length, value)
      assert.ok(missing.length <= 1, String(missing))
    })

    test('the database rejects an earlier holder as soon as a later one has read', async () => {
      const { stdout, stderr } = await place.run(
        node(
          '--input-type=module',
          '-e',
          `import { openCounter } from './store.mjs'
         const counter = await openCounter(process.env.DATABASE_URL)
         const token = 1n << 40n
         await counter.read(token - 1n)
         await counter.read(token)
         const refusals = await Promise.all(
           [counter.write(8, token - 1n), counter.read(token - 1n)].map((late) => late.catch((error) => error.message)),
         )
         await counter.write(7, token)
         console.log(...refusals, await counter.read(token))
         await counter.close()`,
        ),
        { env },
      )
      assert.match(stdout, /^(refused: a later holder than token \d+ has read ){2}7\n$/, stderr)
    })

    test('without a database, it prints its usage', async () => {
      const { status, stderr } = await place.run(machine('1'), { env: { DATABASE_URL: '' } })
      assert.equal(status, 2)
      assert.match(stderr, /^usage: DATABASE_URL=/)
    })
  },
)
