// The package as a user gets it: compiled, packed by npm, installed from the tarball into a project of its own.
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { cp, mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { slocket } from '../../src/index.ts'

export const ROOT: string = fileURLToPath(new URL('../../..', import.meta.url))

/** Less than what scripts/test.js gives to a test. */
const TIME_LIMIT_MS = 110_000

export interface Installation {
  /** A project with slocket in its node_modules. */
  readonly project: string
  readonly tarball: string
  /** The paths inside of the tarball, sorted. */
  readonly files: readonly string[]
  remove(): Promise<void>
}

/**
 * Packs the package as it is published, and installs it, once for all files of a run of the tests; and copies that. The dist/ of the
 * repository is not used: it may be changing at this moment.
 */
export async function installPackage(): Promise<Installation> {
  const scratch = await mkdtemp(join(tmpdir(), 'slocket-package-'))
  const shared = process.env['SLOCKET_TEST_RUN']
  const original = join(shared ?? scratch, 'package')
  if (shared === undefined) await packInto(original)
  else await slocket.with(`${original}.lock`, async () => existsSync(original) || (await packInto(original)))

  const project = join(scratch, 'project')
  await cp(join(original, 'project'), project, { recursive: true, verbatimSymlinks: true })
  const report = await readFile(join(original, 'report.json'), 'utf8')
  const [packed] = JSON.parse(report) as [{ filename: string; files: { path: string }[] }]
  return {
    project,
    tarball: join(original, packed.filename),
    files: packed.files.map(({ path }) => path).sort(),
    remove: () => rm(scratch, { recursive: true, force: true }),
  }
}

/** Makes the directory: complete, or not at all. */
async function packInto(directory: string): Promise<void> {
  const unfinished = `${directory}.unfinished`
  const project = join(unfinished, 'project')
  await rm(unfinished, { recursive: true, force: true })
  await mkdir(project, { recursive: true })
  const report = await run(process.execPath, [join(ROOT, 'scripts/pack.js'), unfinished], ROOT)
  await writeFile(join(unfinished, 'report.json'), report)
  const [{ filename }] = JSON.parse(report) as [{ filename: string }]
  await writeFile(join(project, 'package.json'), '{ "name": "project", "private": true }\n')
  const flags = ['--offline', '--no-audit', '--no-fund', '--ignore-scripts', '--cache', join(unfinished, 'cache')]
  await run('npm', ['install', ...flags, join(unfinished, filename)], project)
  await rename(unfinished, directory)
}

/** What the program prints. Rejects, with what it printed, if it fails. */
export async function run(program: string, parameters: readonly string[], cwd: string): Promise<string> {
  try {
    return (await promisify(execFile)(program, parameters, { cwd, timeout: TIME_LIMIT_MS })).stdout
  } catch (error) {
    const { message, stdout } = error as Error & { readonly stdout: string }
    throw new Error(`${message}\n${stdout}`, { cause: error })
  }
}

/** A development dependency of this repository. */
export async function runTool(name: string, parameters: readonly string[], cwd: string): Promise<string> {
  return await run(join(ROOT, 'node_modules', '.bin', name), parameters, cwd)
}

/**
 * Compiles TypeScript files of a project as its own tsc would, with the declarations of the package checked too.
 *
 * @param options compiler options besides `strict`.
 */
export async function compile(project: string, files: readonly string[], options: object = {}): Promise<void> {
  const compilerOptions = {
    target: 'es2022',
    module: 'nodenext',
    strict: true,
    exactOptionalPropertyTypes: true,
    skipLibCheck: false,
    types: ['node'],
    typeRoots: [join(ROOT, 'node_modules', '@types')],
    ...options,
  }
  await writeFile(join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions, files }))
  await runTool('tsc', ['-p', '.'], project)
}
