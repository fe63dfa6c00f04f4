// What axe-core finds against WCAG 2.1 AA on a page, in light and in dark colours.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
const TAGS = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa']
/** Experimental in axe: it takes the keys that the search button shows for a part of its name. */
const IGNORED = 'label-content-name-mismatch'
/** How many places are printed for each rule. */
const PLACES = 3

export async function findFaultsByAxe(page, address, file) {
  const faults = []
  for (const colorScheme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme })
    await page.goto(address + file)
    await page.evaluate(AXE)
    const violations = await page.evaluate(
      async ([tags, ignored]) => {
        const results = await globalThis.axe.run(document, {
          runOnly: tags,
          rules: { [ignored]: { enabled: false } },
          resultTypes: ['violations'],
        })
        return results.violations.map(({ id, nodes }) => ({
          id,
          places: nodes.map(({ target, any }) => `${target.join(' ')} (${any[0]?.message ?? ''})`),
        }))
      },
      [TAGS, IGNORED],
    )
    for (const { id, places } of violations)
      faults.push(`${file}, ${colorScheme}: ${id}, ${places.length} times\n  ${places.slice(0, PLACES).join('\n  ')}`)
  }
  return faults
}
