/** On Windows, both the queue and the guard exclude a second holder. Each mutant lacks one of them, or both, and the tests must notice. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { ELSEWHERE } from './on-windows.ts'

const BUILT = fileURLToPath(new URL('../..', import.meta.url))
const CONTENTION = ['contention', 'exclusive and shared holders are killed'] as const

interface Mutation {
  /** Below src/engines/local/windows/. */
  readonly file: string
  readonly from: string
  readonly to: string
}

/** Each ticket believes that nobody is ahead. */
const NO_QUEUE: Mutation = { file: 'view.js', from: 'ahead(own) {', to: 'ahead(own) { return [own];' }
/** Each process can open the guard, whoever else has it open. */
const NO_GUARD: Mutation = {
  file: 'held-file.js',
  from: 'alone: O_RDWR | O_CREAT | NO_SHARING',
  to: 'alone: O_RDWR | O_CREAT',
}

describe('mutants of the engine', { skip: ELSEWHERE }, () => {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'slocket-mutants-'))
  before(() => {
    for (const part of ['src', 'test/helpers', 'test/fixtures', 'test/windows', 'test/darwin'])
      fs.cpSync(path.join(BUILT, part), path.join(directory, part), { recursive: true })
    fs.writeFileSync(path.join(directory, 'package.json'), '{ "type": "module" }')
  })
  after(() => fs.rmSync(directory, { recursive: true, maxRetries: 20 }))

  test('without the queue, the guard excludes', async () => {
    const { status, output } = await runMutated(directory, [NO_QUEUE], CONTENTION)
    assert.equal(status, 0, output)
  })

  test('without the guard, the queue excludes', async () => {
    const { status, output } = await runMutated(directory, [NO_GUARD], CONTENTION)
    assert.equal(status, 0, output)
  })

  test('without the guard, its tests fail', async () => {
    const ofGuards = await runMutated(directory, [NO_GUARD], ['guard', 'is open exclusively while an exclusive holder'])
    assert.equal(ofGuards.status, 1, ofGuards.output)
    assert.match(ofGuards.output, /opened[^]*EBUSY/)
  })

  test('without both, two hold, and the tests of contention fail', async () => {
    const { status, output } = await runMutated(directory, [NO_QUEUE, NO_GUARD], CONTENTION)
    assert.equal(status, 1)
    assert.match(output, /was granted .* while .* held it|token \d+ of .* is not larger than/)
  })
})

/** Runs tests of a copy of the package that is changed for that. */
async function runMutated(
  directory: string,
  mutations: readonly Mutation[],
  [file, pattern]: readonly [file: string, pattern: string],
): Promise<{ status: number | null; output: string }> {
  const restore = mutations.map((mutation) => mutate(directory, mutation))
  try {
    const log = path.join(directory, 'log')
    const stream = fs.openSync(log, 'w')
    const parameters = [
      `--test-name-pattern=${pattern}`,
      '--test-reporter=spec',
      path.join(directory, `test/windows/${file}.test.js`),
    ]
    const child = spawn(process.execPath, parameters, { stdio: ['ignore', stream, stream] })
    const status = await new Promise<number | null>((resolve) => child.once('exit', resolve))
    fs.closeSync(stream)
    return { status, output: fs.readFileSync(log, 'utf8') }
  } finally {
    for (const end of restore) end()
  }
}

function mutate(directory: string, { file, from, to }: Mutation): () => void {
  const name = path.join(directory, 'src/engines/local/windows', file)
  const code = fs.readFileSync(name, 'utf8')
  assert.equal(code.split(from).length, 2, `'${from}' in ${file}`)
  fs.writeFileSync(name, code.replace(from, to))
  return () => fs.writeFileSync(name, code)
}
