/** Each block of docs/recipes.md that is marked sh is a script that has to succeed. */
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { SLOCKET, Workplace } from '../helpers/command.ts'

const text = fs.readFileSync(fileURLToPath(new URL('../../../docs/recipes.md', import.meta.url)), 'utf8')
/** What comes after them has no scripts of a shell. */
const page = text.split(/^## In programs$/m)[0]!
const recipes = [...page.matchAll(/^## (.*)\n[^]*?^```sh\n([^]*?)^```$/gm)].map(([, title, script]) => ({
  title: title!,
  script: script!,
}))

test('every recipe is found', () => {
  assert.equal(recipes.length, page.match(/^## /gm)?.length)
})

for (const { title, script } of recipes) {
  test(title, async () => {
    const place = new Workplace()
    try {
      const bin = place.path('bin')
      fs.mkdirSync(bin)
      fs.writeFileSync(join(bin, 'slocket'), `#!/bin/sh\nexec ${SLOCKET.join(' ')} "$@"\n`, { mode: 0o755 })
      const env = { PATH: `${bin}:${process.env['PATH']}`, USER: 'somebody' }
      const { status, stderr } = await place.run(['bash', '-eu', '-c', script], { env })
      assert.deepEqual([status, stderr], [0, ''])
    } finally {
      await place.close()
    }
  })
}
