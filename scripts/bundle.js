// Bundles the test files of a run, the programs that tests start most often, and the exports that short programs import, for scripts/test.js. A process that loads
// a few files starts in half the processor time of one that loads the hundred modules of src/ one by one, and the tests start hundreds of processes.
//
// The bundles are made for each run, so that what is tested is what was compiled. The tests find the programs by SLOCKET_TEST_PROGRAMS
// (test/helpers/built.ts); without it, as in `node build/test/api/with.test.js`, they start the programs that tsc wrote.
import { readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { build } from 'esbuild'

const root = fileURLToPath(new URL('../build', import.meta.url))
/** Paths below build/, as the tests ask for them. */
const PROGRAMS = [
  'src/index.js',
  'src/compat/proper-lockfile.js',
  'src/engines/postgres/index.js',
  'src/engines/redis/index.js',
  'src/cli/main.js',
  'test/fixtures/client.js',
  'test/fixtures/web-client.js',
  'test/fixtures/faked-time.js',
]

/** @param directory in the repository, so that Node finds the packages that a program imports. */
export async function bundlePrograms(directory) {
  await bundle(
    PROGRAMS.map((program) => join(root, program)),
    directory,
    { splitting: true },
  )
}

/**
 * Each file is whole, since a test may change the clock, or a function of Node, before modules of src/ are loaded: esbuild doesn't keep that order in files that share modules.
 * It has a source map, in which source-positions.js looks up where a test failed.
 *
 * @param files compiled test files.
 * @param directory as for `bundlePrograms`.
 * @returns a map from each file to its bundle.
 */
export async function bundleTests(files, directory) {
  await bundle(files, directory, { sourcemap: true, sourcesContent: false })
  return new Map(files.map((file) => [file, join(directory, relative(root, file))]))
}

async function bundle(entryPoints, directory, options) {
  await build({
    ...options,
    absWorkingDir: root,
    entryPoints,
    outbase: root,
    outdir: directory,
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: `node${process.versions.node}`,
    packages: 'external',
    charset: 'utf8',
    keepNames: true,
    logLevel: 'warning',
    plugins: [ownUrls],
  })
}

/** A module still finds the files beside it. `import.meta` in the text of a program that a test starts stays as it is. */
const ownUrls = {
  name: 'own-urls',
  setup({ initialOptions, onLoad }) {
    initialOptions.define = { 'import.meta.url': 'ownUrl', 'import.meta.dirname': 'ownDirectory' }
    onLoad({ filter: /\.js$/ }, ({ path }) => {
      const own = `const ownUrl = ${JSON.stringify(pathToFileURL(path).href)}, ownDirectory = ${JSON.stringify(join(path, '..'))};`
      // In the same line, so that the numbers of lines stay; after a line for the shell, if there is one.
      return { contents: readFileSync(path, 'utf8').replace(/^(?:#!.*\n)?/, (shell) => shell + own), loader: 'js' }
    })
  },
}
