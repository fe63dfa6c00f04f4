// The links in the Markdown files of the repository, and the test files that they name. readme.test.ts tests those in the README of the package.
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { describe, test } from 'node:test'
import { ROOT } from './install.ts'
import { isExternal, leadsSomewhere, linksOf } from './markdown-links.ts'

const NOT_OURS = new Set(['.git', 'node_modules', 'build', 'dist', 'coverage'])

const pages = markdownFilesIn(ROOT)
assert.ok(pages.includes(join(ROOT, 'README.md')) && pages.includes(join(ROOT, 'docs/algorithm.md')))

describe('the links of', () => {
  for (const page of pages) {
    test(`${relative(ROOT, page)} lead to files and headings that exist`, () => {
      const broken = linksOf(readFileSync(page, 'utf8')).filter(
        (link) => !isExternal(link) && !leadsSomewhere(page, link),
      )
      assert.deepEqual(broken, [])
    })
  }
})

test('every test file that a page names exists', () => {
  const named = pages.flatMap((page) => {
    return [...readFileSync(page, 'utf8').matchAll(/`(test\/[\w./-]+\.ts)`/g)].map(([, file]) => file!)
  })
  assert.ok(named.length > 100)
  assert.deepEqual(
    named.filter((file) => !existsSync(join(ROOT, file))),
    [],
  )
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
