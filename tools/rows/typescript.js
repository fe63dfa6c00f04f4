// TypeScript: the declarations are read with --strict and without --skipLibCheck, then what was emitted is run.
import { build } from 'esbuild'
import { commandOf } from '../project.js'

const COMPILERS = {
  '5.0': commandOf('ts50', 'tsc'),
  5.4: commandOf('ts54', 'tsc'),
  5.6: commandOf('ts56', 'tsc'),
  5.9: commandOf('typescript', 'tsc'),
  '7.0': commandOf('ts70', 'tsc'),
}

/** Directories with a package.json of their own: its `type`, how the program there imports, and what else is compiled. */
const ESM = { name: 'esm', type: 'module', head: 'head.mjs', types: ['types.ts', 'types-using.ts', 'library.ts'] }
const CJS = { name: 'cjs', type: 'commonjs', head: 'head.mjs', types: ['types.ts', 'types-using.ts', 'library.ts'] }
const REQUIRE = { name: 'require', type: 'commonjs', head: 'head-require.ts', types: ['types-require.ts'] }

/** What each version compiles, at one go. */
const SETTINGS = {
  nodenext: [ESM, CJS, REQUIRE],
  node16: [ESM, CJS, REQUIRE],
  commonjs: [CJS, REQUIRE],
  preserve: [ESM, CJS],
}

export const rows = Object.keys(COMPILERS).flatMap((version) =>
  Object.keys(SETTINGS).map((module) => ({
    name: `typescript-${version}-${module}`,
    run: (open) => compileAndRun(open, version, module),
  })),
)

async function compileAndRun(open, version, module) {
  const project = await open()
  await project.link('node-types-20', '@types/node')
  const written = await Promise.all(SETTINGS[module].map((part) => writeSources(project, version, part)))
  const compilerOptions = {
    target: 'es2022',
    lib: version === '5.0' ? ['es2022'] : ['es2022', 'esnext.disposable'],
    types: ['node'],
    strict: true,
    skipLibCheck: false,
    declaration: true,
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    ...moduleOptions(version, module),
  }
  await project.write('tsconfig.json', JSON.stringify({ compilerOptions, files: written.flat() }))
  await project.node(COMPILERS[version], '-p', '.')
  for (const { name } of SETTINGS[module]) {
    const isForBundlers = module === 'preserve' && name === 'cjs'
    await project.checkNode(isForBundlers ? await bundle(project, name) : `${name}/program.js`)
  }
}

async function writeSources(project, version, { name, type, head, types }) {
  await project.write(`${name}/package.json`, JSON.stringify({ type }))
  await project.writeProgram(`${name}/program.ts`, head, 'body.js', 'print.js')
  const read = types.filter((file) => version !== '5.0' || file !== 'types-using.ts')
  for (const file of read) await project.writeProgram(`${name}/${file}`, file)
  return ['program.ts', ...read].map((file) => `${name}/${file}`)
}

function moduleOptions(version, module) {
  // It has no `preserve`.
  if (version === '5.0' && module === 'preserve')
    return { module: 'esnext', moduleResolution: 'bundler', esModuleInterop: true }
  if (module === 'commonjs') {
    // TypeScript 7 has no node10: it resolves as a bundler does.
    return { module, esModuleInterop: true, ...(version === '7.0' ? {} : { moduleResolution: 'node10' }) }
  }
  return { module }
}

/** What `preserve` emits is a module, whatever package.json says: it is for a bundler. */
async function bundle(project, name) {
  const outfile = project.path(`${name}/bundle.cjs`)
  const entryPoints = [project.path(`${name}/program.js`)]
  await build({ entryPoints, outfile, bundle: true, platform: 'node', packages: 'external', logLevel: 'silent' })
  return outfile
}
