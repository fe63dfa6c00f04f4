// Package managers, which install the tarball themselves, each with a cache of its own and without the network: so without what
// the engines of servers need.
import { commandOf, EXPECTED_WITHOUT_PEERS } from '../project.js'

const YARN = commandOf('@yarnpkg/cli-dist', 'yarn')

export const rows = [
  { name: 'pnpm', run: usePnpm },
  { name: 'yarn-1', run: useYarn1 },
  { name: 'yarn-pnp', run: usePlugAndPlay },
]

async function usePnpm(open, _skip, tarball) {
  const project = await openFor(open, tarball)
  const flags = ['install', '--offline', '--no-frozen-lockfile', '--store-dir', project.path('store')]
  await project.node(commandOf('pnpm'), ...flags)
  await checkBoth(project, process.execPath, [])
}

async function useYarn1(open, _skip, tarball) {
  const project = await openFor(open, tarball)
  const flags = ['install', '--offline', '--non-interactive', '--no-progress', '--cache-folder', project.path('cache')]
  await project.node(commandOf('yarn'), ...flags)
  await checkBoth(project, process.execPath, [])
}

async function usePlugAndPlay(open, _skip, tarball) {
  const project = await openFor(open, tarball)
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

async function openFor(open, tarball) {
  return await open({ slocket: undefined, packages: [], manifest: { dependencies: { slocket: `file:${tarball}` } } })
}

async function checkBoth(project, program, parameters) {
  for (const extension of ['mjs', 'cjs']) {
    const file = `program.${extension}`
    await project.writeProgram(file, `head.${extension}`, 'body.js', 'print.js')
    await project.check(program, [...parameters, file], { expected: EXPECTED_WITHOUT_PEERS })
  }
}
