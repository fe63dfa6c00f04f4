// Looks at the built site in a real browser: npm run docs:check. Prints each fault, and fails if there is one.
//
// 1. Each link leads to a page, and each anchor to an element, of the site; those to files of the repository were looked up while it was built.
// 2. No page asks another host for anything, and none reports an error.
// 3. No page scrolls sideways on a screen of 360 px.
// 4. Navigation, search and content can be reached by the keyboard, and the focus can be seen.
// 5. Search finds a page.
// 6. axe-core finds nothing against WCAG 2.1 AA, in light and in dark colours: on some pages, with --all on all.
//
// With --pictures DIRECTORY it also writes screenshots, to be looked at.
import { mkdirSync, readdirSync } from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { findFaultsByAxe } from './check-axe.js'
import { findFaultsByKeyboard, findFaultsOfSearch } from './check-keyboard.js'
import { withBrowser } from './browser.js'
import { serve } from './server.js'

const DIST = fileURLToPath(new URL('dist/', import.meta.url))
const BASE = '/slocket/'
const NARROW = { width: 360, height: 740 }
const WIDE = { width: 1280, height: 800 }
/** One of each kind: the first one, wide tables, many code blocks, generated declarations, and what GitHub Pages shows for a wrong address. */
const FOR_AXE = ['index.html', 'errors.html', 'recipes.html', 'engines/redis.html', 'api/slocket.html', '404.html']
const FOR_PICTURES = ['index.html', 'errors.html', 'performance.html']

const { values } = parseArgs({ options: { all: { type: 'boolean', default: false }, pictures: { type: 'string' } } })
const faults = []
/** Of each page that was visited, by its address: the ids in it, and where its links lead. */
const visited = new Map()

const files = readdirSync(DIST, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.html'))
const { server, address } = await serve(DIST, BASE)
try {
  await withBrowser(async (context) => {
    const page = context.pages()[0] ?? (await context.newPage())
    await watch(context, page)
    await visitAll(page)
    findBrokenLinks()
    await page.setViewportSize(WIDE)
    faults.push(...(await findFaultsByKeyboard(page, address, WIDE)), ...(await findFaultsOfSearch(page, address)))
    faults.push(...(await findFaultsByKeyboard(page, address, NARROW)))
    await page.setViewportSize(WIDE)
    for (const file of values.all ? files : FOR_AXE) faults.push(...(await findFaultsByAxe(page, address, file)))
    if (values.pictures !== undefined) await takePictures(page, values.pictures)
  })
} finally {
  server.close()
  for (const fault of faults) console.error(fault)
}
console.log(`${files.length} pages, ${faults.length} faults`)
if (faults.length > 0) process.exitCode = 1

/** Stops what would go to another host, and notes it, and errors of the page. */
async function watch(context, page) {
  await context.route('**', (route) => {
    const { origin } = new URL(route.request().url())
    if (origin === new URL(address).origin) return route.continue()
    faults.push(`${page.url()} asks ${route.request().url()}`)
    return route.abort()
  })
  page.on('pageerror', (error) => faults.push(`${page.url()}: ${error.message}`))
  page.on('console', (message) => {
    if (message.type() === 'error') faults.push(`${page.url()}: ${message.text()}`)
  })
}

async function visitAll(page) {
  await page.setViewportSize(NARROW)
  for (const file of files) {
    await page.goto(address + file)
    const seen = await page.evaluate(() => ({
      ids: [...document.querySelectorAll('[id]')].map(({ id }) => id),
      links: [...document.querySelectorAll('a[href]')].map(({ href }) => href),
      overflow: document.documentElement.scrollWidth - document.documentElement.clientWidth,
    }))
    visited.set(address + file, seen)
    if (seen.overflow > 0) faults.push(`${file} is ${seen.overflow} px too wide for a screen of ${NARROW.width} px`)
  }
}

function findBrokenLinks() {
  for (const [from, { links }] of visited)
    for (const link of new Set(links)) {
      if (!link.startsWith(address)) continue
      const [path, anchor] = link.split('#')
      const target = visited.get(path.endsWith('/') ? `${path}index.html` : path)
      const at = relative(address, from)
      if (target === undefined) faults.push(`${at}: broken link to ${link.slice(address.length)}`)
      else if (anchor && !target.ids.includes(decodeURIComponent(anchor)))
        faults.push(`${at}: broken anchor ${link.slice(address.length)}`)
    }
}

async function takePictures(page, directory) {
  mkdirSync(directory, { recursive: true })
  for (const file of FOR_PICTURES)
    for (const colorScheme of ['light', 'dark'])
      for (const viewport of [NARROW, WIDE]) {
        await page.emulateMedia({ colorScheme })
        await page.setViewportSize(viewport)
        await page.goto(address + file)
        const name = `${file.replace('.html', '')}-${colorScheme}-${viewport.width}`
        await page.screenshot({ path: join(directory, `${name}.png`) })
        await page.evaluate(() => document.querySelector('table')?.scrollIntoView({ block: 'center' }))
        await page.screenshot({ path: join(directory, `${name}-table.png`) })
      }
}
