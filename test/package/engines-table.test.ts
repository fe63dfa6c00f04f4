import { test } from 'node:test'
import { join } from 'node:path'
import { ROOT, run } from './install.ts'

test('the table in docs/choosing.md is what the engines say of themselves, and what the benches have measured', async () => {
  await run(process.execPath, [join(ROOT, 'scripts/engines-table.js'), '--check'], ROOT)
})
