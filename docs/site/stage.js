// Copies the pages, and the pictures in them, into a directory of the layout that the site has.
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, posix } from 'node:path'
import { pages, ROOT } from './pages.js'

/** The directories of pictures, and what they are called beside the pages. */
const PICTURES = { 'docs/performance': 'performance', 'docs/pictures': 'docs/pictures' }

export function stage(directory) {
  rmSync(directory, { recursive: true, force: true })
  for (const { file, page, title } of pages()) {
    const to = join(directory, page)
    mkdirSync(dirname(to), { recursive: true })
    const text = readFileSync(ROOT + file, 'utf8')
    writeFileSync(to, file.endsWith('.api.md') ? withHeading(text, title) : text)
  }
  for (const [from, to] of Object.entries(PICTURES))
    cpSync(ROOT + from, posix.join(directory, to), { recursive: true, filter: (path) => !/\.(md|js)$/.test(path) })
}

/** The reports of API Extractor begin with a heading of the second level, and a remark that is not for readers. */
function withHeading(text, title) {
  return text.replace(/^## [\s\S]*?\n(?=```)/, `# ${title}\n\nAs TypeScript declares it.\n\n`)
}
