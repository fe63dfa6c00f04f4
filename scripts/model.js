// Searches the model (model/README.md) with Spin: `npm run model`, or `npm run model -- --quick`. Needs Debian's packages
// spin and gcc. Exits with 1 when the model has an error, or when one of its mutants has none.
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const { values } = parseArgs({
  options: { quick: { type: 'boolean', default: false }, seconds: { type: 'string', default: '900' } },
})
const model = fileURLToPath(new URL('../model/', import.meta.url))
const limit = Number(values.seconds)

/** What the model is searched with; the first alone with --quick. */
const SEARCHES = [
  ['-DCLAIMS=1', '-DCRASHES=0'],
  ['-DCLAIMS=3', '-DCRASHES=0'],
  ['-DCLAIMS=1', '-DCRASHES=1', '-DREBIRTH=0'],
  ['-DCLAIMS=2', '-DCRASHES=0'],
]
const MUTANT_SECONDS = 240

/** Searches `file` in `directory`: how many errors and states, and whether the search came to its end. */
function search(directory, file, defines, seconds) {
  const run = (command, ...args) => execFileSync(command, args, { cwd: directory, stdio: ['ignore', 'pipe', 'pipe'] })
  run('spin', '-a', ...defines, file)
  run('gcc', '-O2', '-w', '-DVECTORSZ=512', '-DCOLLAPSE', '-DSAFETY', '-DMEMLIM=12000', '-o', 'pan', 'pan.c')
  let output
  try {
    output = String(run('timeout', '--signal=INT', String(seconds), './pan', '-m400000'))
  } catch (error) {
    output = String(error.stdout)
  }
  const errors = Number(/errors: (\d+)/.exec(output)?.[1] ?? 0)
  const states = Number(/^\s*(\d[\d.e+]*) states, stored/m.exec(output)?.[1] ?? 0)
  const isComplete = /errors: \d/.test(output) && !/Search not completed|max search depth too small/.test(output)
  return { errors, states, isComplete }
}

function inTemporary(act) {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'slocket-model-'))
  try {
    return act(directory)
  } finally {
    fs.rmSync(directory, { recursive: true, force: true })
  }
}

let isSound = true
for (const defines of values.quick ? SEARCHES.slice(0, 1) : SEARCHES) {
  const { errors, states, isComplete } = inTemporary((directory) => {
    fs.copyFileSync(path.join(model, 'acquire.pml'), path.join(directory, 'acquire.pml'))
    return search(directory, 'acquire.pml', defines, limit)
  })
  const extent = isComplete ? 'searched completely' : `cut off after ${limit} s`
  console.log(`${errors === 0 ? 'sound ' : 'ERROR '} ${defines.join(' ')}: ${states} states, ${extent}`)
  if (errors > 0) isSound = false
}
for (const patch of fs.readdirSync(path.join(model, 'mutants')).sort()) {
  const text = fs.readFileSync(path.join(model, 'mutants', patch), 'utf8')
  // Its second line says what it is searched with.
  const defines = /^Search: (.*)$/m.exec(text)[1].split(' ')
  const { errors, states } = inTemporary((directory) => {
    fs.copyFileSync(path.join(model, 'acquire.pml'), path.join(directory, 'acquire.pml'))
    execFileSync('patch', ['-p1', '--silent', '-i', path.join(model, 'mutants', patch)], { cwd: directory })
    return search(directory, 'acquire.pml', defines, MUTANT_SECONDS)
  })
  console.log(
    `${errors === 0 ? 'PASSED' : 'caught'} ${patch.replace('.patch', '')}: ${states} states, ${defines.join(' ')}`,
  )
  if (errors === 0) isSound = false
}
process.exitCode = isSound ? 0 : 1
