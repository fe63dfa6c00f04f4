// Writes the public API, as the declarations in dist/ have it, to slocket.api.md and its like; with --check it only
// compares, and fails if a report is not up to date. Run by `npm run api` and `npm run api:check`, after build:dist.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Extractor, ExtractorConfig, ExtractorLogLevel } from '@microsoft/api-extractor'

const root = fileURLToPath(new URL('../..', import.meta.url))
const here = fileURLToPath(new URL('.', import.meta.url))
const entries = {
  slocket: 'dist/index.exports.d.cts',
  'slocket-postgres': 'dist/engines/postgres/index.d.cts',
  'slocket-redis': 'dist/engines/redis/index.d.cts',
  'slocket-proper-lockfile': 'dist/compat/proper-lockfile.exports.d.cts',
  'slocket-lockfile': 'dist/compat/lockfile.exports.d.cts',
  'slocket-redlock': 'dist/compat/redlock.d.cts',
  'slocket-etcd': 'dist/engines/etcd/index.d.cts',
  'slocket-testing': 'dist/testing/index.d.cts',
}
const checkOnly = process.argv.includes('--check')

const scratch = mkdtempSync(join(tmpdir(), 'slocket-api-'))
try {
  for (const [name, entry] of Object.entries(entries)) {
    const fresh = extract(name, join(root, entry))
    const path = join(here, `${name}.api.md`)
    if (!checkOnly) writeFileSync(path, fresh)
    else if (read(path) !== fresh) {
      console.error(`docs/api/${name}.api.md is not what ${entry} declares: npm run api, and review the difference`)
      process.exitCode = 1
    }
  }
} finally {
  rmSync(scratch, { recursive: true, force: true })
}

function extract(name, mainEntryPointFilePath) {
  const config = ExtractorConfig.prepare({
    configObjectFullPath: undefined,
    packageJsonFullPath: join(root, 'package.json'),
    configObject: {
      projectFolder: root,
      mainEntryPointFilePath,
      compiler: { tsconfigFilePath: join(here, 'tsconfig.json') },
      apiReport: {
        enabled: true,
        reportFileName: `${name}.api.md`,
        reportFolder: scratch,
        reportTempFolder: join(scratch, 'temp'),
      },
      docModel: { enabled: false },
      dtsRollup: { enabled: false },
      tsdocMetadata: { enabled: false },
      newlineKind: 'lf',
      messages: {
        compilerMessageReporting: { default: { logLevel: ExtractorLogLevel.Error } },
        extractorMessageReporting: {
          default: { logLevel: ExtractorLogLevel.Warning, addToApiReportFile: true },
          'ae-missing-release-tag': { logLevel: ExtractorLogLevel.None },
          // It would put line numbers of dist/ into the report.
          'ae-undocumented': { logLevel: ExtractorLogLevel.None },
        },
        tsdocMessageReporting: { default: { logLevel: ExtractorLogLevel.None } },
      },
    },
  })
  const { succeeded } = Extractor.invoke(config, { localBuild: true, messageCallback: hushConsole })
  if (!succeeded) throw new Error(`API Extractor could not read ${mainEntryPointFilePath}`)
  return readFileSync(join(scratch, `${name}.api.md`), 'utf8')
}

/** What API Extractor tells of its own doing; what it finds in the API is in the report. */
function hushConsole(message) {
  if (message.category === 'console' && message.logLevel !== ExtractorLogLevel.Error) message.handled = true
}

function read(path) {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if (error.code === 'ENOENT') return undefined
    throw error
  }
}
