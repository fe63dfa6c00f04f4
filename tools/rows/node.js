// Node itself, and what starts TypeScript on it.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { on, once } from 'node:events'
import { existsSync, utimesSync } from 'node:fs'
import { chmod, copyFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { commandOf, directoryOf, TIME_LIMIT_MS } from '../project.js'

const ESM = ['head.mjs', 'body.js', 'print.js']
const CJS = ['head.cjs', 'body.js', 'print.js']

export const rows = [
  {
    name: 'node-esm',
    async run(open) {
      const project = await open()
      await project.writeProgram('program.mjs', ...ESM)
      await project.checkNode('program.mjs')
    },
  },
  {
    name: 'node-cjs',
    async run(open) {
      const project = await open()
      await project.writeProgram('program.cjs', ...CJS)
      await project.checkNode('program.cjs')
    },
  },
  { name: 'node-watch', run: watch },
  { name: 'node-permission-20', run: (open, skip) => permission(open, skip, 20, ['--experimental-permission']) },
  { name: 'node-permission-22', run: (open, skip) => permission(open, skip, 22, ['--permission']) },
  { name: 'node-permission-24', run: (open, skip) => permission(open, skip, 24, ['--permission']) },
  { name: 'node-permission-26', run: (open, skip) => permission(open, skip, 26, ['--permission', '--allow-net']) },
  { name: 'sea', run: singleExecutable },
  {
    name: 'tsx-esm',
    async run(open) {
      const project = await open({ manifest: { type: 'module' } })
      await project.writeProgram('program.ts', ...ESM)
      await project.checkNode(commandOf('tsx'), 'program.ts')
    },
  },
  {
    name: 'tsx-cjs',
    async run(open) {
      const project = await open()
      await project.writeProgram('program.ts', ...ESM)
      await project.checkNode(commandOf('tsx'), 'program.ts')
    },
  },
  {
    name: 'ts-node-cjs',
    async run(open) {
      const project = await openForTsNode(open, 'commonjs')
      await project.checkNode(commandOf('ts-node'), 'program.ts')
    },
  },
  {
    name: 'ts-node-esm',
    async run(open) {
      const project = await openForTsNode(open, 'nodenext', { type: 'module' })
      await project.checkNode('--no-warnings', '--loader', 'ts-node/esm', 'program.ts')
    },
  },
]

async function openForTsNode(open, module, manifest) {
  const project = await open({ manifest })
  for (const name of ['typescript', 'ts-node']) await project.link(name)
  await project.link('node-types-20', '@types/node')
  await project.writeProgram('program.ts', ...ESM)
  const compilerOptions = { target: 'es2022', module, strict: true, esModuleInterop: true, types: ['node'] }
  await project.write('tsconfig.json', JSON.stringify({ compilerOptions }))
  return project
}

/** Until two processes have held, one after the other: the file is touched until Node has seen it. */
async function watch(open) {
  const project = await open()
  await project.writeProgram('program.mjs', 'watched.mjs')
  const child = spawn(process.execPath, ['--watch', 'program.mjs'], {
    cwd: project.directory,
    env: project.environment(),
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const ended = once(child, 'exit')
  const holders = new Set()
  const touch = () => holders.size > 0 && utimesSync(project.path('program.mjs'), new Date(), new Date())
  const touching = setInterval(touch, 5000)
  try {
    const limit = { close: ['close'], signal: AbortSignal.timeout(TIME_LIMIT_MS) }
    for await (const [line] of on(createInterface(child.stdout), 'line', limit)) {
      if (!line.startsWith('held ')) continue
      holders.add(line)
      if (holders.size === 2) break
      touch()
    }
  } finally {
    clearInterval(touching)
    child.kill('SIGTERM')
    await ended
  }
  assert.equal(holders.size, 2, 'node --watch has ended before')
}

/** With what docs/recipes.md says that it takes, and what the program reads and writes itself. */
async function permission(open, skip, version, flags) {
  const project = await open()
  const node = nodeOf(version)
  if (node === undefined) return skip(`Node ${version} is not installed: npm run test:runtimes installs it`)
  await project.writeProgram('program.cjs', ...CJS)
  const readable = [project.directory, directoryOf('.'), '/proc'].map((path) => `--allow-fs-read=${path}/`)
  const writable = [project.locks, project.path('runtime'), '/proc/self/fd'].map((path) => `--allow-fs-write=${path}/`)
  await project.check(node, [...flags, ...readable, ...writable, '--allow-worker', '--no-warnings', 'program.cjs'])
}

function nodeOf(version) {
  if (process.versions.node.startsWith(`${version}.`)) return process.execPath
  const file = fileURLToPath(new URL(`../../runtimes/node_modules/node-${version}/bin/node`, import.meta.url))
  return existsSync(file) ? file : undefined
}

/** https://nodejs.org/docs/latest-v20.x/api/single-executable-applications.html */
async function singleExecutable(open) {
  const project = await open()
  const cwd = await project.makeBeside('out')
  await project.writeProgram('program.cjs', ...CJS)
  const entryPoints = [project.path('program.cjs')]
  await build({ entryPoints, outfile: join(cwd, 'bundle.cjs'), bundle: true, platform: 'node', logLevel: 'silent' })
  const config = { main: 'bundle.cjs', output: 'program.blob', disableExperimentalSEAWarning: true }
  await writeFile(join(cwd, 'sea.json'), JSON.stringify(config))
  await project.run(process.execPath, ['--experimental-sea-config', 'sea.json'], { cwd })
  const program = join(cwd, 'program')
  await copyFile(process.execPath, program)
  await chmod(program, 0o755)
  const fuse = 'NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2'
  const flags = ['program', 'NODE_SEA_BLOB', 'program.blob', '--sentinel-fuse', fuse]
  await project.run(process.execPath, [commandOf('postject'), ...flags], { cwd })
  await project.check(program, [], { cwd })
}
