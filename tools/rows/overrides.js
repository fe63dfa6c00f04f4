// A package that asks for proper-lockfile and lockfile gets slocket in their place, as docs/migrating.md says: the project is made of the blocks there.
// Without the network: what is not overridden cannot be had.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { commandOf } from '../project.js'

const YARN = commandOf('@yarnpkg/cli-dist', 'yarn')
const GUIDE = readFileSync(fileURLToPath(new URL('../../docs/migrating.md', import.meta.url)), 'utf8')
const SHIMMED = { 'proper-lockfile': '4.1.2', lockfile: '1.0.4' }

/** What somebody else has published, and never heard of slocket. */
const DEPENDENT = {
  'package.json': JSON.stringify({
    name: 'dependent',
    version: '1.0.0',
    main: './index.cjs',
    exports: { import: './index.mjs', require: './index.cjs' },
    // Of other versions than those that stand in for them.
    dependencies: { 'proper-lockfile': '^3.2.0', lockfile: '1.0.1' },
  }),
  'index.cjs': `const properly = require('proper-lockfile')
    const { lock } = require('proper-lockfile')
    const lockFile = require('lockfile')
    exports.use = use`,
  'index.mjs': `import properly, { lock } from 'proper-lockfile'
    import lockFile from 'lockfile'
    export { use }`,
}
const BODY = `
  async function use(file) {
    const release = await lock(file)
    const second = await properly(file).catch(({ code }) => code)
    lockFile.lockSync(file + '.other')
    const third = await new Promise((resolve) => lockFile.lock(file + '.other', (error) => resolve(error.code)))
    lockFile.unlockSync(file + '.other')
    await release()
    return [release.kind, second, third]
  }`
const PROGRAM = `const program = async ({ use }) => {
    const file = process.env.LOCKS + '/file'
    const fs = await import('node:fs')
    fs.writeFileSync(file, '')
    console.log(JSON.stringify(await use(file)))
    fs.rmSync(file)
  }`
const EXPECTED = ['slocket', 'ELOCKED', 'EEXIST']

export const rows = [
  { name: 'override-npm', run: useNpm },
  { name: 'override-pnpm', run: usePnpm },
  { name: 'override-yarn-1', run: useYarn1 },
  { name: 'override-yarn-pnp', run: usePlugAndPlay },
]

async function useNpm(open, _skip, tarball) {
  const project = await openFor(open, tarball, 'npm')
  const flags = ['--offline', '--ignore-scripts', '--no-audit', '--no-fund', '--cache', project.path('cache')]
  await project.run('npm', ['install', ...flags])
  await checkBoth(project, process.execPath, [])
}

async function usePnpm(open, _skip, tarball) {
  const project = await openFor(open, tarball, 'pnpm')
  const flags = ['install', '--offline', '--no-frozen-lockfile', '--store-dir', project.path('store')]
  await project.node(commandOf('pnpm'), ...flags)
  await checkBoth(project, process.execPath, [])
}

async function useYarn1(open, _skip, tarball) {
  const project = await openFor(open, tarball, 'Yarn 1')
  const flags = ['install', '--offline', '--non-interactive', '--no-progress', '--cache-folder', project.path('cache')]
  await project.node(commandOf('yarn'), ...flags)
  await checkBoth(project, process.execPath, [])
}

async function usePlugAndPlay(open, _skip, tarball) {
  const project = await openFor(open, tarball, 'Yarn 4')
  const settings = {
    nodeLinker: 'pnp',
    enableGlobalCache: false,
    enableNetwork: false,
    enableTelemetry: false,
    enableImmutableInstalls: false,
    globalFolder: project.path('global'),
  }
  await project.write('.yarnrc.yml', JSON.stringify(settings))
  await project.write('yarn.lock', '')
  await project.node(YARN, 'install')
  await checkBoth(project, process.execPath, [YARN, 'node'])
}

/** A project with the dependent package, the shims, and what the guide says for the package manager. `slocket` is the tarball wherever it is asked for. */
async function openFor(open, tarball, heading) {
  const slocket = `file:${tarball}`
  const said = JSON.parse(blockAfter(`### ${heading}\n`))
  for (const key of ['overrides', 'resolutions']) if (said[key] !== undefined) said[key].slocket = slocket
  if (said.pnpm !== undefined) said.pnpm.overrides.slocket = slocket
  if (heading === 'npm') delete said.overrides.slocket
  const dependencies = { ...said.dependencies, slocket, dependent: 'file:./dependent.tgz' }
  const project = await open({ slocket: undefined, packages: [], manifest: { ...said, dependencies } })
  await packDependent(project)
  for (const [name, version] of Object.entries(SHIMMED)) {
    for (const file of ['package.json', 'index.cjs', 'index.mjs']) {
      const text = blockAfter(`\`shims/proper-lockfile/${file}\``)
      await project.write(`shims/${name}/${file}`, text.replaceAll('proper-lockfile', name).replace('4.1.2', version))
    }
  }
  return project
}

/** The next block of code in the guide. */
function blockAfter(text) {
  const start = GUIDE.indexOf(text)
  assert.ok(start >= 0, `docs/migrating.md has no ${text}`)
  return /```\w+\n([^]*?)```/.exec(GUIDE.slice(start))[1]
}

async function packDependent(project) {
  for (const [file, text] of Object.entries(DEPENDENT))
    await project.write(`dependent/package/${file}`, file === 'package.json' ? text : `${text}\n${BODY}`)
  await project.run('tar', ['-czf', 'dependent.tgz', '-C', 'dependent', 'package'])
  await project.run('rm', ['-r', 'dependent'])
}

async function checkBoth(project, program, parameters) {
  await project.write('program.cjs', `${PROGRAM}\nvoid program(require('dependent'))`)
  await project.write('program.mjs', `import * as dependent from 'dependent'\n${PROGRAM}\nawait program(dependent)`)
  for (const file of ['program.cjs', 'program.mjs'])
    await project.check(program, [...parameters, file], { expected: EXPECTED })
}
