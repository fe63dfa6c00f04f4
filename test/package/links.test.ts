// The links in the Markdown files of the repository. readme.test.ts tests those in the README of the package.
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { describe, test } from 'node:test'
import { ROOT } from './install.ts'
import { isExternal, leadsSomewhere, linksOf } from './markdown-links.ts'

const NOT_OURS = new Set(['.git', 'node_modules', 'build', 'dist', 'coverage'])

describe('the links of', () => {
  const pages = markdownFilesIn(ROOT)
  assert.ok(pages.includes(join(ROOT, 'README.md')) && pages.includes(join(ROOT, 'docs/algorithm.md')))

  for (const page of pages) {
    test(`${relative(ROOT, page)} lead to files and headings that exist`, () => {
      const broken = linksOf(readFileSync(page, 'utf8')).filter(
        (link) => !isExternal(link) && !leadsSomewhere(page, link),
      )
      assert.deepEqual(broken, [])
    })
  }
})

function markdownFilesIn(directory: string): string[] {
  return readdirSync(directory, { withFileTypes: true })
    .filter(({ name }) => !NOT_OURS.has(name))
    .flatMap((entry) => {
      const path = join(directory, entry.name)
      if (entry.isDirectory()) return markdownFilesIn(path)
      return entry.name.endsWith('.md') ? [path] : []
    })
}
