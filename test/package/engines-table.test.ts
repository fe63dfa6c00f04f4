import { test } from 'node:test'
import { join } from 'node:path'
import { ROOT, run } from './install.ts'

test("the table in docs/choosing.md matches the engines' capabilities and the results of the benches", async () => {
  await run(process.execPath, [join(ROOT, 'scripts/engines-table.js'), '--check'], ROOT)
})
