// Makes man/slocket.1 from docs/cli.md: node scripts/man.js [--check]
//
// Supports the Markdown that the page uses: headings, paragraphs, code, tables with two or more columns, `code`, **strong**, _stressed_ and links.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const path = (name) => fileURLToPath(new URL(`../${name}`, import.meta.url))

const { version } = JSON.parse(readFileSync(path('package.json'), 'utf8'))
const page = toRoff(readFileSync(path('docs/cli.md'), 'utf8'))

if (!process.argv.includes('--check')) {
  mkdirSync(path('man'), { recursive: true })
  writeFileSync(path('man/slocket.1'), page)
} else if (readFileSync(path('man/slocket.1'), 'utf8') !== page) {
  console.error('man/slocket.1 is not what docs/cli.md says: npm run man')
  process.exitCode = 1
}

function toRoff(markdown) {
  const lines = [
    `.TH SLOCKET 1 "" "slocket ${version}"`,
    '.SH NAME',
    'slocket \\- run a command under a lock, see who holds it',
  ]
  lines.push('.SH DESCRIPTION')
  let isCode = false
  for (const line of markdown.split('\n').slice(1)) {
    if (line.startsWith('```')) {
      isCode = !isCode
      lines.push(...(isCode ? ['.PP', '.RS 4', '.nf'] : ['.fi', '.RE']))
    } else if (isCode) lines.push(escape(line))
    else if (line.startsWith('## ')) lines.push(`.SH ${inline(line.slice(3)).toUpperCase().replaceAll('\\F', '\\f')}`)
    else if (line.startsWith('### ')) lines.push(`.SS ${inline(line.slice(4))}`)
    else if (line.startsWith('|')) lines.push(...row(line))
    else if (line === '') lines.push('.PP')
    else lines.push(inline(line))
  }
  return `${lines.filter((line, index) => line !== '.PP' || !/^\.(PP|S[HS]|TH)/.test(lines[index + 1] ?? '.PP')).join('\n')}\n`
}

function row(line) {
  const [term, ...rest] = line
    .slice(1, -1)
    .split(' | ')
    .map((cell) => cell.trim())
  if (/^-+$/.test(term.split('|')[0].trim()) || rest.every((cell) => cell === '')) return []
  return ['.TP', inline(term), inline(rest.join('; '))]
}

function inline(text) {
  return escape(text)
    .replaceAll(/\[([^\]]+)\]\([^)]+\)/g, '$1')
    .replaceAll(/`([^`]+)`/g, '\\fB$1\\fR')
    .replaceAll(/\*\*([^*]+)\*\*/g, '\\fB$1\\fR')
    .replaceAll(/(?<![\w\\])_([^_]+)_(?!\w)/g, '\\fI$1\\fR')
}

function escape(text) {
  const escaped = text.replaceAll('\\', '\\e').replaceAll('-', '\\-').replaceAll('…', '...')
  return /^[.']/.test(escaped) ? `\\&${escaped}` : escaped
}
