// What query tells of all clients. query.long.test.ts has more, and what a root costs.
import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { until } from '../helpers/until.ts'
import { betweenClients } from '../helpers/web-client.ts'

const NAMES: readonly string[] = [
  '',
  '\0',
  'abc\0def',
  '\uD800',
  '\uDC00',
  '\uDC00\uD800',
  '\uFFFD',
  '\uFFFF',
  'a',
  'A',
  '\u00e9',
  'e\u0301',
  'trailing ',
  'trailing.',
  '.',
  '..',
  '/',
  'a/b',
  'CON',
  '%2F',
  '%2f',
  '%e',
  '%h',
  '.members',
  '__proto__',
  'x'.repeat(140),
  'x'.repeat(141),
  'long '.repeat(14_000),
  `${'\uD800'.repeat(300)}1`,
  `${'\uD800'.repeat(300)}2`,
  '2-0000000849714949590-x-4711-k3j9d8f7a6s5-9b4128cb',
]

betweenClients('a name is any string, compared by its code units, and is returned unchanged', async (scene) => {
  const [a, b] = await scene.startAll(2)
  for (const [index, name] of NAMES.entries()) {
    a!.send({ do: 'request', as: `${index}`, name })
    assert.deepEqual((await a!.next('called', `${index}`)).lock, { name, mode: 'exclusive' })
  }
  for (const name of NAMES) assert.equal(await b!.isAvailable(name), false, JSON.stringify(name.slice(0, 20)))
  assert.equal(await b!.isAvailable('b'), true)
  const names = (await b!.query()).held.map(({ name }) => name)
  assert.deepEqual(names.sort(), [...NAMES].sort())
  for (const index of NAMES.keys()) await a!.end(`${index}`)
  assert.deepEqual(await b!.query(), { held: [], pending: [] })
})

betweenClients('query shows all clients, each with its own id, the same in held and pending', async (scene) => {
  const [a, b, c] = await scene.startAll(3)
  await a!.hold('one')
  await b!.hold('two')
  await a!.wait('two')
  await c!.wait('two')
  await b!.wait('one', { mode: 'shared' })
  const { held, pending } = await c!.query()
  assert.deepEqual(Object.keys(held[0]!).sort(), ['clientId', 'mode', 'name'])
  const idOf = (name: string): string => held.find((info) => info.name === name)!.clientId
  const [idA, idB] = [idOf('one'), idOf('two')]
  const [second, third] = pending.filter(({ name }) => name === 'two')
  const shared = pending.find(({ name }) => name === 'one')
  assert.deepEqual(second, { clientId: idA, mode: 'exclusive', name: 'two' })
  assert.deepEqual(shared, { clientId: idB, mode: 'shared', name: 'one' })
  assert.equal(new Set([idA, idB, third!.clientId]).size, 3)
  assert.equal(held.length + pending.length, 5)
})

betweenClients('held is in the order of the grants, pending in that of the requests', async (scene) => {
  const [a, b] = await scene.startAll(2)
  // Neither by name, nor by client.
  const names = ['m', 'z', 'a', 'y', 'b', 'x']
  const clients = [a!, b!, b!, a!, b!, a!]
  for (const [index, name] of names.entries()) await clients[index]!.hold(name)
  const waits = ['y', 'a', 'm', 'a', 'z', 'm', 'y']
  // By turns, so that some wait by a ticket that their own client holds.
  for (const [index, name] of waits.entries()) await clients[index % 3]!.wait(name, {}, `${index}`)
  for (const client of [a!, b!]) {
    // The other client has 200 ms to answer; without its answer, a ticket is shown once, whatever requests share it.
    await until('a query that shows all', async () => {
      const { held, pending } = await client.query()
      return isDeepStrictEqual([held.map(({ name }) => name), pending.map(({ name }) => name)], [names, waits])
    })
  }
  // Who asked third, and is granted first, comes first.
  for (const name of ['m', 'y', 'z']) await clients[names.indexOf(name)]!.end(name)
  for (const [name, index] of [
    ['m', 2],
    ['y', 0],
    ['z', 4],
  ] as const) {
    await clients[index % 3]!.next('called', `${index}`)
    assert.equal(waits[index], name)
  }
  await until('a query that shows all that is left', async () => {
    const { held, pending } = await b!.query()
    const shown = [held.slice(0, 3).map(({ name }) => name), pending.map(({ name }) => name)]
    return isDeepStrictEqual(shown, [
      ['a', 'b', 'x'],
      ['a', 'a', 'm', 'y'],
    ])
  })
})

betweenClients('a silent client is still shown, with its names', async (scene) => {
  const [mute, a] = await scene.startAll(2)
  const file = path.join(scene.directory, 'blocked')
  const long = 'mute '.repeat(1000)
  await mute!.hold('lock')
  await mute!.hold(long)
  const { clientId } = (await a!.query()).held[0]!
  mute!.send({ do: 'block-until', file })
  await until('it is blocked', () => fs.existsSync(file))
  const { held } = await a!.query()
  assert.deepEqual(held.map(({ name }) => name).sort(), ['lock', long])
  assert.deepEqual(
    held.map((info) => info.clientId),
    [clientId, clientId],
  )
  fs.rmSync(file)
})
