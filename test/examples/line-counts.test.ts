/** The table of examples/README.md that compares programs with what they were before slocket. */
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

const FOLDER: string = fileURLToPath(new URL('../../../examples', import.meta.url))

const pairs = fs.readdirSync(FOLDER).filter((name) => fs.existsSync(join(FOLDER, name, 'before.mjs')))

/** Without blank lines, and without those that are comments. */
function countLines(program: string): number {
  const code = fs.readFileSync(join(FOLDER, program), 'utf8').replace(/^ *\/\*\*[^]*?\*\/$/gm, '')
  return code.split('\n').filter((line) => !/^ *(\/\/.*)?$/.test(line)).length
}

test('there are three pairs', () => {
  assert.equal(pairs.length, 3)
})

for (const pair of pairs) {
  test(`${pair}: with slocket, the program is at least a third shorter; README.md has the numbers of lines`, () => {
    const [before, after] = [countLines(`${pair}/before.mjs`), countLines(`${pair}/after.mjs`)]
    assert.ok(before > 0 && after > 0)
    assert.ok(3 * after <= 2 * before, `${before} lines before, ${after} after`)
    const row = new RegExp(`^\\| \\[${pair}\\]\\(${pair}/\\) +\\| .* \\| +(\\d+) +\\| +(\\d+) +\\|$`, 'm')
    const [, ...stated] = row.exec(fs.readFileSync(join(FOLDER, 'README.md'), 'utf8')) ?? []
    assert.deepEqual(stated.map(Number), [before, after])
  })
}
