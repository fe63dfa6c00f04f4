// Follows jest.js. Jest forgets all modules before each test: what slocket loads then must still belong to what was required first.
const imported = require('slocket')

test.each([
  ['slocket()', () => imported(join(process.env.LOCKS, 'class'), { linger: 0 })],
  ['a memory engine', () => imported('class', { engine: imported.memory() })],
])('a lock of %s is a Lock', async (what, acquire) => {
  const lock = await acquire()
  await lock.release()
  expect(lock).toBeInstanceOf(imported.Lock)
})

test.each([
  ['slocket()', () => imported(join(process.env.LOCKS, 'missing/class'))],
  ['slocket.sync', async () => imported.sync(join(process.env.LOCKS, 'missing/class'))],
])('an error of %s is a SlocketError', async (what, acquire) => {
  await expect(acquire()).rejects.toBeInstanceOf(imported.SlocketError)
})

test('in isolated modules, an error is of their SlocketError', async () => {
  let isolated
  jest.isolateModules(() => (isolated = require('slocket')))
  expect(isolated).not.toBe(imported)
  await expect(isolated(join(process.env.LOCKS, 'missing/class'))).rejects.toBeInstanceOf(isolated.SlocketError)
})
