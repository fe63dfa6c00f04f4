// Which files of the repository are pages of the site, under which address and in which group of the navigation; and where a link of a page leads.
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { posix } from 'node:path'
import { fileURLToPath } from 'node:url'

export const ROOT = fileURLToPath(new URL('../..', import.meta.url))

/** In the order of the navigation. A page of docs/ that no group names is put into the last one. */
const GROUPS = [
  {
    text: 'Guide',
    files: ['README.md', 'docs/choosing.md', 'docs/recipes.md', 'examples/README.md', 'docs/migrating.md'],
  },
  {
    text: 'Reference',
    files: [
      'docs/api/slocket.api.md',
      'docs/errors.md',
      'docs/cli.md',
      'docs/web-locks.md',
      'docs/diagnostics.md',
      'docs/platforms.md',
      'docs/tools.md',
    ],
  },
  { text: 'Engines', files: ['docs/engines/README.md', ...markdownIn('docs/engines')] },
  {
    text: 'How it works',
    files: ['docs/guarantees.md', 'docs/algorithm.md', 'docs/glossary.md', 'docs/decisions/README.md'],
  },
  {
    text: 'Project',
    files: [
      'docs/performance.md',
      'docs/performance-engines.md',
      'docs/track-record.md',
      'CHANGELOG.md',
      'CONTRIBUTING.md',
      'SECURITY.md',
    ],
  },
]
/** Pages that their README or their neighbour in a group lists. */
const UNLISTED = [...markdownIn('docs/decisions'), ...markdownIn('docs/api')]

/** [{ text, pages: [{ file, page, title }] }]: `file` is a path in the repository, `page` one in the site. */
export function navigation() {
  const known = new Set([...GROUPS.flatMap(({ files }) => files), ...UNLISTED])
  const others = markdownIn('docs').filter((file) => !known.has(file))
  return GROUPS.map(({ text, files }, index) => {
    const all = index === GROUPS.length - 1 ? [...files, ...others] : files
    return { text, pages: [...new Set(all)].map(describe) }
  })
}

/** All pages, the unlisted ones too. */
export function pages() {
  const listed = navigation().flatMap((group) => group.pages)
  const files = new Set(listed.map(({ file }) => file))
  return [...listed, ...UNLISTED.filter((file) => !files.has(file)).map(describe)]
}

/**
 * What the site puts in place of a link.
 *
 * @param href as it is in `file`, a path in the repository.
 * @param places the address in the site of each file that is a page, as a Map.
 * @param repository the address of the repository's files, without what comes before `blob` or `tree`; and `ref`, a branch or a tag.
 */
export function resolveLink(href, file, places, { repository, ref }) {
  if (/^[a-z][a-z+.-]*:/i.test(href) || href.startsWith('#')) return href
  const [path, anchor] = href.split('#')
  const target = posix.normalize(posix.join(posix.dirname(file), decodeURI(path))).replace(/\/$/, '')
  if (target.startsWith('..') || !existsSync(ROOT + target))
    throw new Error(`${file}: the link ${href} leads to a file that does not exist`)
  const hash = anchor === undefined ? '' : `#${anchor}`
  const isDirectory = statSync(ROOT + target).isDirectory()
  const place = places.get(target) ?? (isDirectory ? places.get(`${target}/README.md`) : undefined)
  if (place !== undefined) return `/${place}${hash}`
  return `${repository}/${isDirectory ? 'tree' : 'blob'}/${ref}/${target}${hash}`
}

function describe(file) {
  return { file, page: placeOf(file), title: titleOf(file) }
}

/** README.md → index.md, docs/engines/README.md → engines/index.md, docs/cli.md → cli.md, SECURITY.md → security.md */
function placeOf(file) {
  const place = file.replace(/^docs\//, '').replace(/README\.md$/, 'index.md')
  return place.replace(/^[A-Z]+\.md$/, (name) => name.toLowerCase()).replace(/\.api\.md$/, '.md')
}

function titleOf(file) {
  if (file.endsWith('.api.md')) return `API of ${file.slice('docs/api/'.length, -'.api.md'.length).replace('-', '/')}`
  const heading = /^# (.+)$/m.exec(readFileSync(ROOT + file, 'utf8'))?.[1]
  if (heading === undefined) throw new Error(`${file} has no heading of the first level`)
  return heading.replace(/\[([^\]]*)\]\([^)]*\)/g, '$1').replace(/[`*_]/g, '')
}

function markdownIn(directory) {
  const names = readdirSync(ROOT + directory).filter((name) => name.endsWith('.md'))
  return names.sort().map((name) => `${directory}/${name}`)
}
