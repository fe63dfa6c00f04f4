// The site: VitePress, with the search of its own and no assets of others.
import { readFileSync } from 'node:fs'
import { slug } from 'github-slugger'
import { navigation, pages, resolveLink, ROOT } from '../pages.js'

const { name, repository } = JSON.parse(readFileSync(`${ROOT}package.json`, 'utf8'))
const address = repository.url.replace(/^git\+|\.git$/g, '')
/** The site of a release leads to the files of its tag. */
const ref = process.env.GITHUB_REF_TYPE === 'tag' ? process.env.GITHUB_REF_NAME : 'main'

const all = pages()
const places = new Map(all.map(({ file, page }) => [file, page]))
const files = new Map(all.map(({ file, page }) => [page, file]))
const groups = navigation()

export default {
  title: name,
  description: 'Cross-process locks for Node.js, first come, first served',
  lang: 'en',
  // GitHub Pages serves the site of a repository in a directory of its name.
  base: `/${name}/`,
  srcDir: 'build/pages',
  cacheDir: 'build/cache',
  outDir: 'dist',
  markdown: {
    theme: { light: 'github-light-high-contrast', dark: 'github-dark-default' },
    anchor: { slugify: slug },
    config: (md) => {
      md.core.ruler.push('links-of-the-repository', ({ tokens, env }) => {
        const file = files.get(env.relativePath)
        for (const token of tokens.flatMap(({ children }) => children ?? [])) {
          if (token.type !== 'link_open') continue
          const href = token.attrGet('href')
          token.attrSet('href', resolveLink(href, file, places, { repository: address, ref }))
        }
      })
      // Vue would take it for an expression.
      const { escapeHtml } = md.utils
      md.renderer.rules.text = (tokens, index) => escapeHtml(tokens[index].content).replaceAll('{{', '&#123;&#123;')
      // Long names in narrow columns of tables: ERR_SLOCKET_TIMEOUT, slocket.all.with(paths).
      const { code_inline: codeInline } = md.renderer.rules
      md.renderer.rules.code_inline = (...of) => codeInline(...of).replace(/[_(](?=\w)/g, '$&<wbr>')
    },
  },
  themeConfig: {
    search: { provider: 'local' },
    // The same text for eyes and for screen readers.
    notFound: { linkLabel: 'To the first page', linkText: 'To the first page' },
    outline: { level: [2, 3], label: 'On this page' },
    // Not as a social link: the theme would ask another host for an icon that it doesn't have.
    nav: [...groups.map(navigationItem), { text: 'GitHub', link: address }],
    sidebar: groups.map((group) => ({
      text: group.text,
      items: group.pages.map((page) => ({ text: page.title, link: linkTo(page) })),
    })),
  },
}

function navigationItem({ text, pages: [first, ...others] }) {
  const addresses = [first, ...others].map((page) => linkTo(page).slice(1))
  return { text, link: linkTo(first), activeMatch: `^/(${addresses.join('|')})(\\.html)?$` }
}

function linkTo({ page }) {
  return `/${page.replace(/(index)?\.md$/, '')}`
}
