// Bundlers: one file or directory is made of a program, of slocket and of what its engines need. It is run in a directory without packages.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import commonjs from '@rollup/plugin-commonjs'
import json from '@rollup/plugin-json'
import nodeResolve from '@rollup/plugin-node-resolve'
import * as esbuild from 'esbuild'
import { rollup } from 'rollup'
import * as vite from 'vite'
import webpack from 'webpack'
import { commandOf, EXPECTED_WITHOUT_PEERS } from '../project.js'

const FORMATS = ['esm', 'cjs']
const BUNDLERS = {
  esbuild: useEsbuild,
  webpack: useWebpack,
  rollup: useRollup,
  vite: useVite,
  tsup: useTsup,
  ncc: useNcc,
}

/** What modules need in which there are packages in CommonJS that call `require` for what Node has itself, such as `pg`. slocket doesn't. */
const BANNER = { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url)" }

export const rows = Object.entries(BUNDLERS).flatMap(([name, bundle]) => [
  ...FORMATS.flatMap((from) =>
    FORMATS.filter((to) => to === from || bundle !== useNcc).map((to) => ({
      name: `${name}-${from}-to-${to}`,
      run: (open) => bundleAndRun(open, { bundle, from, to }),
    })),
  ),
  {
    name: `${name}-without-peers`,
    run: (open) =>
      bundleAndRun(open, { bundle, from: 'esm', to: 'esm', packages: [], expected: EXPECTED_WITHOUT_PEERS }),
  },
])

/** @param bundle makes the directory `out` of the file `entry`, and returns the name of the program there, and warnings about slocket. */
async function bundleAndRun(open, { bundle, from, to, packages, expected }) {
  // The type of what is bundled, and of what comes out of it, is in the names of the files.
  const project = await open({ packages })
  const extension = from === 'esm' ? 'mjs' : 'cjs'
  const entry = `program.${extension}`
  await project.writeProgram(entry, `head.${extension}`, 'body.js', 'print.js')
  const out = await project.makeBeside('out')
  const hasPeers = packages === undefined
  const banner = to === 'esm' && hasPeers ? BANNER : undefined
  const { file, warnings } = await bundle({ project, entry: project.path(entry), out, to, banner, hasPeers })
  const isWanted = (warning) => !hasPeers && /@grpc|pg/.test(warning)
  const ofSlocket = warnings.filter((warning) => warning.includes('node_modules/slocket') && !isWanted(warning))
  assert.deepEqual(ofSlocket, [])
  await project.check(process.execPath, [join(out, file)], { expected, cwd: out })
}

async function useEsbuild({ project, entry, out, to, banner }) {
  const file = to === 'esm' ? 'program.mjs' : 'program.cjs'
  const { warnings } = await esbuild.build({
    absWorkingDir: project.directory,
    entryPoints: [entry],
    outfile: join(out, file),
    bundle: true,
    platform: 'node',
    format: to,
    logLevel: 'silent',
    ...(banner && { banner }),
  })
  return { file, warnings: warnings.map(({ location, text }) => `${location?.file}: ${text}`) }
}

async function useWebpack({ project, entry, out, to }) {
  const file = to === 'esm' ? 'program.mjs' : 'program.cjs'
  const isModule = to === 'esm'
  const compiler = webpack({
    mode: 'production',
    target: 'node20',
    context: project.directory,
    entry,
    optimization: { minimize: false },
    experiments: { outputModule: isModule },
    output: { path: out, filename: file, ...(isModule ? { module: true, library: { type: 'module' } } : {}) },
  })
  const stats = await new Promise((resolve, reject) => {
    compiler.run((error, result) => (error ? reject(error) : compiler.close(() => resolve(result))))
  })
  const { errors, warnings } = stats.toJson({ all: false, errors: true, warnings: true })
  assert.deepEqual(errors, [])
  return { file, warnings: warnings.map(({ moduleName, message }) => `${moduleName}: ${message}`) }
}

async function useRollup({ entry, out, to, hasPeers }) {
  const warnings = []
  const bundle = await rollup({
    input: entry,
    plugins: [
      nodeResolve({ exportConditions: ['node'], preferBuiltins: true }),
      // Without ignoreTryCatch it leaves out what is required inside of `try`, as slocket requires `pg`.
      commonjs({ extensions: ['.js', '.cjs'], ...(hasPeers && { ignoreTryCatch: ['pg-native'] }) }),
      json(),
    ],
    // Other packages have circular dependencies. slocket must have none.
    onLog(_level, { code, message }) {
      if (code !== 'CIRCULAR_DEPENDENCY' || message.includes('node_modules/slocket/')) warnings.push(message)
    },
  })
  const file = to === 'esm' ? 'program.mjs' : 'program.cjs'
  await bundle.write({ dir: out, format: to, entryFileNames: file, chunkFileNames: `[name].${file.split('.')[1]}` })
  await bundle.close()
  return { file, warnings }
}

async function useVite({ project, entry, out, to }) {
  const warnings = []
  const file = to === 'esm' ? 'program.mjs' : 'program.cjs'
  const log = (message) => warnings.push(message)
  await vite.build({
    root: project.directory,
    configFile: false,
    logLevel: 'silent',
    customLogger: { ...vite.createLogger('silent'), warn: log, warnOnce: log },
    ssr: { noExternal: true },
    build: {
      ssr: entry,
      outDir: out,
      target: 'node20',
      rollupOptions: { output: { format: to, entryFileNames: file, chunkFileNames: `[name].${file.split('.')[1]}` } },
    },
  })
  return { file, warnings }
}

/** It leaves out the packages of `dependencies`, and this project has none. */
async function useTsup({ project, entry, out, to, banner }) {
  const config = { entry: [entry], format: [to], outDir: out, platform: 'node', target: 'node20', silent: true, banner }
  await project.write('tsup.config.json', JSON.stringify(config))
  const { stderr } = await project.node(commandOf('tsup'), '--config', 'tsup.config.json')
  return { file: to === 'esm' ? 'program.mjs' : 'program.js', warnings: stderr.split('\n') }
}

/** What comes out has the format of what goes in. */
async function useNcc({ project, entry, out, to }) {
  const { stdout, stderr } = await project.node(commandOf('@vercel/ncc', 'ncc'), 'build', entry, '-o', out, '--quiet')
  return { file: to === 'esm' ? 'index.mjs' : 'index.cjs', warnings: `${stdout}${stderr}`.split('\n') }
}
