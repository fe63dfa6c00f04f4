// Granting, releasing and cancelling among clients: rules 7, 8, 12, 14, 21, 23 and 24 of the Web Locks specification's kind.
import assert from 'node:assert/strict'
import { betweenClients } from '../helpers/web-client.ts'

const SHARED = { mode: 'shared' } as const

betweenClients('one holds at a time, in the order of the requests', async (scene) => {
  const [a, b, c] = await scene.startAll(3)
  await a!.hold('lock')
  await b!.wait('lock')
  await c!.wait('lock')
  await a!.wait('lock', {}, 'again')
  assert.equal(await b!.isAvailable('other'), true)
  const order: string[] = []
  await a!.end('lock')
  for (const [client, as] of [
    [b!, 'lock'],
    [c!, 'lock'],
    [a!, 'again'],
  ] as const) {
    await client.next('called', as)
    order.push(as)
    assert.equal(a!.has('called', 'again'), false)
    await client.end(as)
  }
  assert.equal(order.length, 3)
})

betweenClients('a release grants all shared requests up to the first exclusive one', async (scene) => {
  const [a, b, c] = await scene.startAll(3)
  await a!.hold('lock')
  await b!.wait('lock', SHARED)
  await c!.wait('lock', SHARED)
  await b!.wait('lock', SHARED, 'second')
  await c!.wait('lock', {}, 'writer')
  await a!.wait('lock', SHARED, 'late')
  await a!.end('lock')
  await b!.next('called', 'lock')
  await c!.next('called', 'lock')
  await b!.next('called', 'second')
  const { held, pending } = await a!.query()
  assert.deepEqual(
    held.map(({ mode }) => mode),
    ['shared', 'shared', 'shared'],
  )
  assert.deepEqual(
    pending.map(({ mode }) => mode),
    ['exclusive', 'shared'],
  )
})

betweenClients('a shared request waits behind an exclusive waiter, and is not available', async (scene) => {
  const [a, b, c] = await scene.startAll(3)
  await a!.hold('lock', SHARED)
  assert.equal(await b!.isAvailable('lock', 'shared'), true)
  await b!.wait('lock', {}, 'writer')
  assert.equal(await c!.isAvailable('lock', 'shared'), false)
  assert.equal(await a!.isAvailable('lock', 'shared'), false)
  await c!.wait('lock', SHARED)
  assert.equal(c!.has('called', 'lock'), false)
  await a!.end('lock')
  await b!.next('called', 'writer')
  assert.equal(c!.has('called', 'lock'), false)
  await b!.end('writer')
  await c!.next('called', 'lock')
})

betweenClients('once a request has settled, its lock is free for all, and nobody sees it any more', async (scene) => {
  const [a, b] = await scene.startAll(2)
  for (let round = 0; round < 30; round += 1) {
    await a!.hold('lock')
    assert.equal(await b!.isAvailable('lock'), false)
    assert.equal(await a!.end('lock', round), round)
    assert.equal(await b!.isAvailable('lock'), true)
    assert.deepEqual(await b!.query(), { held: [], pending: [] })
  }
})

betweenClients('a callback that fails releases the lock', async (scene) => {
  const [a, b] = await scene.startAll(2)
  await a!.hold('lock')
  await b!.wait('lock')
  a!.send({ do: 'fail', as: 'lock', message: 'no luck' })
  assert.match((await a!.next('rejected', 'lock')).message, /no luck/)
  await b!.next('called', 'lock')
})

betweenClients('a cancelled request leaves the queue, and those behind it move up', async (scene) => {
  const [a, b, c] = await scene.startAll(3)
  await a!.hold('lock', SHARED)
  await b!.wait('lock')
  await c!.wait('lock', SHARED)
  assert.equal(c!.has('called', 'lock'), false)
  b!.send({ do: 'abort', as: 'lock', reason: 'enough' })
  assert.match((await b!.next('rejected', 'lock')).message, /enough/)
  assert.deepEqual((await b!.query()).pending, [])
  await c!.next('called', 'lock')
  assert.equal(b!.has('called', 'lock'), false)
  c!.send({ do: 'abort', as: 'lock', reason: 'too late' })
  assert.equal(await c!.end('lock', 'kept'), 'kept')
})

betweenClients('requests of one client in one tick are judged in order', async (scene) => {
  const [a, b] = await scene.startAll(2)
  await b!.hold('lock')
  a!.send(
    { do: 'request', as: 'first', name: 'lock' },
    { do: 'request', as: 'try', name: 'lock', options: { ifAvailable: true } },
    { do: 'request', as: 'second', name: 'lock', options: SHARED },
    { do: 'query', as: 'query' },
    { do: 'request', as: 'third', name: 'lock' },
  )
  assert.equal((await a!.next('called', 'try')).lock, null)
  const { pending } = (await a!.next('snapshot', 'query')).snapshot
  assert.deepEqual(
    pending.slice(0, 2).map(({ mode }) => mode),
    ['exclusive', 'shared'],
  )
  await b!.end('lock')
  for (const as of ['first', 'second', 'third']) {
    await a!.next('called', as)
    await a!.end(as)
  }
})
