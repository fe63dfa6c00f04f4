// The links of a Markdown file, and whether they lead anywhere.
import { existsSync, readFileSync, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import GithubSlugger from 'github-slugger'
import { marked } from 'marked'
import type { Token } from 'marked'

export function linksOf(markdown: string): string[] {
  const links: string[] = []
  void marked.walkTokens(marked.lexer(markdown), (token: Token) => {
    if (token.type === 'link' || token.type === 'image') links.push((token as { href: string }).href)
    if (token.type === 'html')
      for (const [, href] of token.raw.matchAll(/\b(?:href|src|srcset)="([^"]+)"/g)) links.push(href!)
  })
  return links
}

export function isExternal(link: string): boolean {
  return /^[a-z]+:/.test(link)
}

/** True if the file is there and, if it is Markdown, the heading too. `link` is a relative link in the file `page`. */
export function leadsSomewhere(page: string, link: string): boolean {
  const [path = '', anchor] = decodeURI(link).split('#')
  const target = path === '' ? page : resolve(dirname(page), path)
  if (!existsSync(target)) return false
  if (anchor === undefined || statSync(target).isDirectory() || !target.endsWith('.md')) return true
  return anchorsOf(readFileSync(target, 'utf8')).has(anchor)
}

function anchorsOf(markdown: string): Set<string> {
  const slugger = new GithubSlugger()
  const anchors = new Set<string>()
  void marked.walkTokens(marked.lexer(markdown), (token: Token) => {
    if (token.type === 'heading') anchors.add(slugger.slug(plainText(token)))
    if (token.type === 'html') for (const [, id] of token.raw.matchAll(/\b(?:id|name)="([^"]+)"/g)) anchors.add(id!)
  })
  return anchors
}

/** What a reader sees of a heading: without emphasis, and of links the text. */
function plainText(token: Token): string {
  if ('tokens' in token && token.tokens !== undefined) return token.tokens.map(plainText).join('')
  return 'text' in token ? String(token.text) : ''
}
