// Checks the words of documents, comments and messages: npm run prose -- [PATH-PART…]
//
// The list of words is words.js. PATH-PART picks the files whose path contains it. Exits with 1 if a word is found.
import { readFileSync, readdirSync } from 'node:fs'
import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { TextlintKernel } from '@textlint/kernel'
import markdown from '@textlint/textlint-plugin-markdown'
import { wordsRule } from './rule.js'
import { sourcePlugin } from './source-plugin.js'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const DOCUMENTS = ['README.md', 'CHANGELOG.md', 'CONTRIBUTING.md', 'SECURITY.md']

const { positionals } = parseArgs({ allowPositionals: true })
const kernel = new TextlintKernel()
const files = [
  ...DOCUMENTS,
  ...filesIn('docs', '.md').filter((file) => !/^docs\/(?:api|site|prose)\//.test(file)),
  ...filesIn('src', '.ts'),
]
const picked = files.filter((file) => positionals.length === 0 || positionals.some((part) => file.includes(part)))
if (picked.length === 0) fail(`no file's path contains ${positionals.join(' or ')}`)

let faults = 0
for (const file of picked) {
  for (const { line, column, message } of await faultsIn(file)) {
    faults += 1
    console.log(`${file}:${line}:${column} ${message}`)
  }
}
console.log(`${picked.length} files; ${faults} faults`)
if (faults > 0) fail('these words are not used here; docs/prose/words.js has the exceptions')

async function faultsIn(file) {
  const { messages } = await kernel.lintText(readFileSync(ROOT + file, 'utf8'), {
    filePath: file,
    ext: extname(file),
    plugins: [
      { pluginId: 'markdown', plugin: markdown.default ?? markdown },
      { pluginId: 'source', plugin: sourcePlugin },
    ],
    rules: [{ ruleId: 'words', rule: wordsRule }],
  })
  return messages
}

function filesIn(directory, extension) {
  return readdirSync(ROOT + directory, { recursive: true })
    .filter((file) => file.endsWith(extension) && !file.includes('node_modules'))
    .map((file) => `${directory}/${file.replaceAll('\\', '/')}`)
    .sort()
}

function fail(message) {
  console.error(message)
  process.exit(1)
}
