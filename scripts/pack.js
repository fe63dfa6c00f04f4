// Packs the package as it is published, into a directory: node scripts/pack.js DIRECTORY. Prints the report of `npm pack --json`.
//
// The links of README.md are relative: on GitHub and in a checkout they lead to the version that the reader has. The package holds no
// docs/, and npmjs.com resolves relative links against the newest commit, unpkg.com and editors against the package. So the README in
// the package has absolute links, made from `repository` and the version's tag. It is written into a copy, so that a run that is killed
// leaves the checkout unchanged.
import { execFileSync } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const [destination, ...others] = process.argv.slice(2)
if (destination === undefined || others.length > 0) {
  console.error('usage: node scripts/pack.js DIRECTORY')
  process.exit(1)
}
const { files, repository, version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))

const staged = mkdtempSync(join(tmpdir(), 'slocket-pack-'))
try {
  for (const name of ['package.json', 'LICENSE', ...files.filter((file) => file !== 'dist')])
    cpSync(join(root, name), join(staged, name), { recursive: true })
  writeFileSync(join(staged, 'README.md'), withAbsoluteLinks(readFileSync(join(root, 'README.md'), 'utf8')))
  execFileSync(process.execPath, [join(root, 'scripts/build-dist.js'), join(staged, 'dist')])
  // No scripts: dist/ has just been built.
  const flags = ['--ignore-scripts', '--json', '--pack-destination', resolve(destination)]
  process.stdout.write(execFileSync('npm', ['pack', ...flags], { cwd: staged }))
} finally {
  rmSync(staged, { recursive: true, force: true })
}

/** Only inline links and images of Markdown; test/package/links.test.ts finds any other relative link in what is packed. */
function withAbsoluteLinks(markdown) {
  const home = repository.url.replace(/^git\+|\.git$/g, '')
  return markdown.replace(/(!?)\[([^\]]*)\]\((?![a-z]+:|#)([^)]+)\)/g, (_, image, text, path) => {
    return `${image}[${text}](${home}/${image ? 'raw' : 'blob'}/v${version}/${path})`
  })
}
