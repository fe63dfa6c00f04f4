// Checks that this commit can be published: node scripts/check-release.js TAG
//
// The tag, the version in package.json and the newest entry of CHANGELOG.md, with its date, must be the same; the workflow must run in the
// repository that package.json names, as npm's provenance requires; and no placeholder may be left. Ordinary CI doesn't run it.
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'

/** Stands for the owner of the repository on GitHub. RELEASING.md says how to fill it in. */
const PLACEHOLDER = 'github.com/OWNER'
const SEARCHED = [
  'package.json',
  'README.md',
  'SECURITY.md',
  'CONTRIBUTING.md',
  'RELEASING.md',
  'docs',
  'man',
  '.github',
]

const { positionals } = parseArgs({ allowPositionals: true })
if (positionals.length !== 1) {
  console.error('usage: node scripts/check-release.js TAG')
  process.exit(1)
}
const [tag] = positionals
const { version, repository } = JSON.parse(readFileSync('package.json', 'utf8'))
const problems = []

if (tag !== `v${version}`) problems.push(`the tag is ${tag}, but the version in package.json is ${version}`)

const [entry = 'no entry'] = readFileSync('CHANGELOG.md', 'utf8').match(/^## .*$/m) ?? []
if (!entry.startsWith(`## ${version} (`) || !/ \(\d{4}-\d\d-\d\d\)$/.test(entry))
  problems.push(`the newest entry of CHANGELOG.md must be "## ${version} (YYYY-MM-DD)", not "${entry}"`)

for (const file of SEARCHED.flatMap(filesIn))
  if (readFileSync(file, 'utf8').includes(PLACEHOLDER)) problems.push(`${file} still says ${PLACEHOLDER}`)

const { GITHUB_REPOSITORY } = process.env
if (GITHUB_REPOSITORY !== undefined && repository.url !== `git+https://github.com/${GITHUB_REPOSITORY}.git`)
  problems.push(`this is ${GITHUB_REPOSITORY}, but \`repository\` in package.json is ${repository.url}`)

for (const problem of problems) console.error(`scripts/check-release.js: ${problem}`)
if (problems.length > 0) process.exit(1)
console.log(`${tag} can be published`)

function filesIn(path) {
  const stats = statSync(path, { throwIfNoEntry: false })
  if (stats === undefined) return []
  if (stats.isFile()) return [path]
  return readdirSync(path).flatMap((name) => filesIn(join(path, name)))
}
