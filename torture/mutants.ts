/**
 * Checks that the torture tests find faults: npm run torture:mutants -- [NAME…] [--seconds 120] [--seed N]
 *
 * Each patch in torture/mutants/ breaks a copy of src/ with one plausible mistake; its first line says which. A torture run
 * must find it within --seconds. Exits with 1 if one isn't found.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const PATCHES = path.join(ROOT, 'torture/mutants')

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seconds: { type: 'string', default: '120' },
    seed: { type: 'string', default: '1' },
    /** Only checks that the patches apply and compile. */
    check: { type: 'boolean', default: false },
  },
})

const NOT_FOUND = `NOT FOUND within ${values.seconds} s`
const names = fs.readdirSync(PATCHES).map((file) => file.replace('.patch', ''))
let isSound = true
for (const name of positionals.length > 0 ? positionals : names.sort()) {
  const verdict = inCopy((copy) => {
    build(copy, path.join(PATCHES, `${name}.patch`))
    return values.check ? 'can be built' : hunt(copy)
  })
  console.log(`${name}: ${verdict}`)
  if (verdict === NOT_FOUND) isSound = false
}
process.exitCode = isSound ? 0 : 1

function inCopy(act: (copy: string) => string): string {
  const copy = fs.mkdtempSync(path.join(os.tmpdir(), 'slocket-mutant-'))
  try {
    return act(copy)
  } finally {
    fs.rmSync(copy, { recursive: true, force: true })
  }
}

function build(copy: string, patch: string): void {
  for (const part of ['src', 'torture']) fs.cpSync(path.join(ROOT, part), path.join(copy, part), { recursive: true })
  fs.symlinkSync(path.join(ROOT, 'node_modules'), path.join(copy, 'node_modules'))
  fs.writeFileSync(path.join(copy, 'package.json'), '{ "type": "module" }')
  const options = {
    incremental: false,
    tsBuildInfoFile: null,
    rootDir: '.',
    outDir: 'build',
    // A patch may leave something unused.
    noUnusedLocals: false,
    noUnusedParameters: false,
  }
  const configuration = {
    extends: path.join(ROOT, 'tsconfig.json'),
    compilerOptions: options,
    include: ['src', 'torture'],
    // They need the tests' servers, and don't test what the patches break.
    exclude: ['torture/engines'],
  }
  fs.writeFileSync(path.join(copy, 'tsconfig.json'), JSON.stringify(configuration))
  execFileSync('patch', ['-p1', '--silent', '-i', patch], { cwd: copy, stdio: ['ignore', 'inherit', 'inherit'] })
  execFileSync(process.execPath, [path.join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', copy], { stdio: 'inherit' })
}

/** The first finding, and when it was found. */
function hunt(copy: string): string {
  const start = performance.now()
  const main = path.join(copy, 'build/torture/main.js')
  const parameters = [main, '--seconds', values.seconds, '--seed', values.seed]
  const { status, stdout } = spawnSync(process.execPath, parameters, { encoding: 'utf8', maxBuffer: 1 << 28 })
  if (status === 0) return NOT_FOUND
  const traces = /traces: ([^;\n]+)/.exec(stdout)?.[1]
  if (traces !== undefined) fs.rmSync(path.dirname(traces), { recursive: true, force: true })
  const found = /FOUND .*\n +(.*)/.exec(stdout)?.[1] ?? `exit code ${status}`
  return `found after ${Math.round((performance.now() - start) / 1000)} s: ${found.slice(0, 200)}`
}
