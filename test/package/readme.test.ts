// The README in the package. And runs the examples of README.md and of pages in docs/: each fenced block that is marked js or ts, and not `no-run`, as a program of its own.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { mkdtemp, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { compile, installPackage, ROOT, run } from './install.ts'
import type { Installation } from './install.ts'
import { isExternal, leadsSomewhere, linksOf } from './markdown-links.ts'

interface Example {
  readonly language: 'js' | 'ts'
  readonly line: number
  readonly code: string
}

const examples = ['README.md', 'docs/diagnostics.md', 'docs/web-locks.md', 'docs/migrating.md'].flatMap((page) =>
  parseExamples(readFileSync(join(ROOT, page), 'utf8')).map((example) => ({ ...example, page })),
)

describe('the README, and the examples of the documents', () => {
  let installed: Installation

  before(async () => {
    installed = await installPackage()
  })
  after(() => installed.remove())

  test('there are examples', () => {
    assert.notEqual(examples.length, 0)
  })

  test('README.md has only absolute links in the package, to files of the repository at the same version', () => {
    const { version, repository } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
      version: string
      repository: { url: string }
    }
    const home = repository.url.replace(/^git\+/, '').replace(/\.git$/, '')
    const readme = readFileSync(join(installed.project, 'node_modules/slocket/README.md'), 'utf8')
    const links = linksOf(readme).filter((link) => !link.startsWith('#'))
    const own = links.filter((link) => !isExternal(link) || link.startsWith(home))
    assert.ok(own.length >= 10)
    for (const link of own) {
      const [, path] = new RegExp(`^${home}/(?:blob|raw)/v${version}/(.+)$`).exec(link) ?? []
      assert.ok(path !== undefined && leadsSomewhere(join(ROOT, 'README.md'), path), link)
    }
  })

  for (const { page, language, line, code } of examples) {
    test(`${page}, line ${line} (${language}) runs`, async () => {
      const folder = await mkdtemp(join(installed.project, 'example-'))
      // It says nothing of itself whether it is a module.
      const letter = /\brequire\(/.test(code) ? 'c' : 'm'
      await writeFile(join(folder, `example.${letter}${language}`), code)
      if (language === 'ts') await compile(folder, [`example.${letter}ts`])
      await run(process.execPath, [`example.${letter}js`], folder)
    })
  }
})

function parseExamples(markdown: string): Example[] {
  const fences = /^( *)(`{3,})(js|ts)\b(.*)\n([^]*?)^ *\2 *$/gm
  return [...markdown.matchAll(fences)]
    .filter(([, , , , info]) => !/\bno-run\b/.test(info ?? ''))
    .map((match) => ({
      language: match[3] === 'ts' ? 'ts' : 'js',
      line: markdown.slice(0, match.index).split('\n').length,
      code: match[5] ?? '',
    }))
}
