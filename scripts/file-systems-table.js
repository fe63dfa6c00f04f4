// Writes the table of file systems in docs/platforms.md, for `npm run test:file-systems -- --table`.
import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { release } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const DOCUMENT = join(root, 'docs/platforms.md')
const [BEGIN, END] = ['<!-- file systems: begin -->', '<!-- file systems: end -->']

/** What slocket does on each file system, and how. */
const HOWS = { links: 'works', sockets: 'works in the slower way: a socket for each ticket' }

const IN_PART = 'contention of several processes, which are killed meanwhile'
const IN_ALL = `${IN_PART}; kills at chosen moments; order; stopped processes; stealing`

/** `results`: one for each file system, in the order of the table. `isPart`: with --ci. */
export function writeTable(results, isPart) {
  const text = readFileSync(DOCUMENT, 'utf8')
  const [begin, end] = [text.indexOf(BEGIN), text.indexOf(END)]
  if (begin === -1 || end < begin) throw new Error(`${DOCUMENT}: ${BEGIN} and ${END} are missing`)
  const kernel = `Linux ${release().split('-')[0]}`
  const date = new Date().toISOString().slice(0, 10)
  const lines = [
    BEGIN,
    '',
    `Written by \`npm run test:file-systems -- ${isPart ? '--ci ' : ''}--table\` on ${date}, with Node ${process.versions.node}. The tests: ${isPart ? IN_PART : IN_ALL}. If slocket refuses: an acquire fails and leaves nothing behind, \`slocket doctor\` agrees, and the drop-ins for other packages exclude processes.`,
    '',
    '| file system | version | what slocket does | result |',
    '| --- | --- | --- | --- |',
    ...results.map((result) => rowOf(result, kernel)),
    '',
  ]
  writeFileSync(DOCUMENT, `${text.slice(0, begin)}${lines.join('\n')}\n${text.slice(end)}`)
  spawnSync(process.execPath, [join(root, 'node_modules/prettier/bin/prettier.cjs'), '--write', DOCUMENT], {
    stdio: ['ignore', 'ignore', 'inherit'],
  })
}

function rowOf(result, kernel) {
  if (result.outcome === 'skipped') return row(result.name, '', '', `not run: ${result.reason}`)
  const { name, outcome, how, isOfKernel } = result
  const version = isOfKernel ? kernel : `${result.package} ${versionOf(result.package)}`
  const does = HOWS[how] ?? `refuses: \`${how}\``
  return row(name, version, does, outcome === 'passed' ? 'passed' : '**failed**')
}

function row(...cells) {
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`
}

function versionOf(name) {
  const { stdout } = spawnSync('dpkg-query', ['-W', '-f=${Version}', name], { encoding: 'utf8' })
  return stdout ?? ''
}
