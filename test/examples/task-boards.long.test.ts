import assert from 'node:assert/strict'
import fs from 'node:fs'
import { test } from 'node:test'
import { describeBoth } from './before-and-after.ts'

describeBoth('task-boards', ({ place, program, holder }) => {
  const tasks = (file: string): string[] => (JSON.parse(fs.readFileSync(place.path(file), 'utf8')) as string[]).sort()
  const many = (letter: string): string[] => Array.from({ length: 8 }, (_, number) => `${letter}${number}`)

  async function runAll(...commands: readonly string[][]): Promise<void> {
    const endings = await Promise.all(commands.map((command) => place.run(command)))
    for (const { status, stderr } of endings) assert.deepEqual([status, stderr], [0, ''])
  }

  test('directories are created, links lead to the same board, and moves in both directions lose or duplicate no task', async () => {
    await runAll(
      program('add', 'boards/today/a.json', ...many('a')),
      program('add', 'boards/today/b.json', ...many('b')),
    )
    fs.symlinkSync('today', place.path('boards/link'))
    fs.symlinkSync('b.json', place.path('boards/today/link.json'))
    await runAll(
      program('move', 'boards/today/a.json', 'boards/link/b.json', ...many('a')),
      program('move', 'boards/today/link.json', 'boards/today/a.json', ...many('b')),
      program('add', 'boards/today/link.json', ...many('c')),
      program('add', 'boards/link/b.json', ...many('d')),
    )
    assert.deepEqual(tasks('boards/today/a.json'), many('b'))
    assert.deepEqual(tasks('boards/today/b.json'), [...many('a'), ...many('c'), ...many('d')])
    await runAll(program('move', 'boards/today/b.json', 'boards/link/link.json', ...many('a')))
    assert.deepEqual(tasks('boards/today/b.json'), [...many('a'), ...many('c'), ...many('d')])
    assert.deepEqual(fs.readdirSync(place.path('boards/today')).sort(), ['a.json', 'b.json', 'link.json'])
  })

  test('a missing task is an error, and so are unknown commands', async () => {
    await runAll(program('add', 'small.json', 'one'))
    const { status, stderr } = await place.run(program('move', 'small.json', 'other.json', 'two'))
    assert.equal(status, 1)
    assert.match(stderr, /two is not on small\.json/)
    assert.equal((await place.run(program('drop', 'small.json'))).status, 2)
  })

  test('if one of the boards stays locked, the move fails, nothing changes, and the other board is free', async () => {
    await runAll(program('add', 'from.json', 'task'), program('add', 'to.json', 'other'))
    const holding = place.start(holder('to.json'))
    await holding.says(/held/)
    const { status } = await place.run(program('move', 'from.json', 'to.json', 'task'), { env: { TIMEOUT_MS: '300' } })
    assert.equal(status, 1)
    assert.deepEqual([tasks('from.json'), tasks('to.json')], [['task'], ['other']])
    await runAll(program('add', 'from.json', 'more'))
    assert.deepEqual(tasks('from.json'), ['more', 'task'])
  })
})
