// The README in the package, and the examples of README.md and of docs/: each fenced block that is marked js or ts compiles in a strict
// project, as TypeScript. Those that need no server, and are not marked `no-run`, run as programs of their own: here. Those that need one:
// test/engines/examples.test.ts.
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { mkdtemp, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { compile, installPackage, ROOT, run } from './install.ts'
import type { Installation } from './install.ts'
import { isExternal, leadsSomewhere, linksOf } from './markdown-links.ts'

interface Example {
  readonly page: string
  readonly language: 'js' | 'ts'
  readonly line: number
  readonly code: string
  readonly runs: boolean
}

const PAGES = ['README.md', ...pagesIn('docs'), ...pagesIn('docs/engines')]
const examples = PAGES.flatMap(parseExamples)
/** What the examples leave to the reader. */
const OF_THE_READER = ['deploy', 'prepare', 'write']
  .map((name) => `declare function ${name}(...values: unknown[]): Promise<void>\n`)
  .join('')

describe('the README, and the examples of the documents', () => {
  let installed: Installation

  before(async () => {
    installed = await installPackage()
    // What the reader has installed, for examples that need no server.
    await symlink(join(ROOT, 'node_modules/@opentelemetry'), join(installed.project, 'node_modules/@opentelemetry'))
  })
  after(() => installed.remove())

  test('there are examples', () => {
    assert.notEqual(examples.length, 0)
  })

  test('README.md has only absolute links in the package, to the same version of the repository', () => {
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

  test('compile in a strict project', async () => {
    const folder = await mkdtemp(join(installed.project, 'strict-'))
    const files = examples.map(({ page, line }) => `${page.replaceAll('/', '-')}-line-${line}.mts`)
    await Promise.all(
      examples.map(({ code }, index) => writeFile(join(folder, files[index]!), `${code}${OF_THE_READER}`)),
    )
    // What the reader has installed.
    const paths = {
      redis: [join(ROOT, 'node_modules/redis/dist/index.d.ts')],
      ioredis: [join(ROOT, 'node_modules/ioredis/built/index.d.ts')],
    }
    await compile(folder, files, { noEmit: true, noUncheckedIndexedAccess: true, paths })
  })

  for (const { page, language, line, code } of examples.filter(({ runs }) => runs)) {
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

function pagesIn(folder: string): string[] {
  const names = readdirSync(join(ROOT, folder)).filter((name) => name.endsWith('.md'))
  return names.map((name) => `${folder}/${name}`).sort()
}

function parseExamples(page: string): Example[] {
  const markdown = readFileSync(join(ROOT, page), 'utf8')
  const fences = /^( *)(`{3,})(js|ts)\b(.*)\n([^]*?)^ *\2 *$/gm
  return [...markdown.matchAll(fences)].map((match) => {
    const [, , , language, info, code] = match
    return {
      page,
      language: language === 'ts' ? 'ts' : 'js',
      line: markdown.slice(0, match.index).split('\n').length,
      code: code!,
      runs: !/\bno-run\b/.test(info!) && !/'slocket\/(etcd|postgres|redis)'/.test(code!),
    }
  })
}
