// Whether a page can be used without a mouse: by Tab alone, and the search.

/** What Tab has to reach, by width: what the theme shows there. The page is the first one, whose content has links and code. */
const STOPS = {
  wide: {
    'skip link': '.VPSkipLink',
    search: '.DocSearch-Button',
    navigation: '.VPNavBarMenuLink',
    sidebar: '.VPSidebar a',
    content: '.vp-doc a',
  },
  narrow: {
    'skip link': '.VPSkipLink',
    search: '.DocSearch-Button',
    menu: '.VPNavBarHamburger',
    sidebar: '.VPLocalNav .menu',
    content: '.vp-doc a',
  },
}
/** More than there are stops before the first link of the content. */
const MOST_TABS = 120
/** How often the key of the search is pressed, and how long it may take to open it, in ms. */
const MOST_PRESSES = 10
const PRESS_MS = 5000

export async function findFaultsByKeyboard(page, address, viewport) {
  await page.setViewportSize(viewport)
  await page.goto(address)
  const kind = viewport.width < 768 ? 'narrow' : 'wide'
  const missing = new Map(Object.entries(STOPS[kind]))
  const faults = []
  for (let tabs = 0; tabs < MOST_TABS && missing.size > 0; tabs += 1) {
    await page.keyboard.press('Tab')
    const stop = await page.evaluate(focused, [...missing])
    if (stop.name !== undefined) missing.delete(stop.name)
    if (!stop.isVisible) faults.push(`${kind}: no focus is to be seen on ${stop.html}`)
  }
  return [...faults, ...[...missing.keys()].map((name) => `${kind}: Tab does not reach: ${name}`)]
}

/** Runs in the page. */
function focused(stops) {
  const element = document.activeElement
  const style = getComputedStyle(element)
  const box = element.getBoundingClientRect()
  const hasRing = style.outlineStyle !== 'none' && Number.parseFloat(style.outlineWidth) > 0
  return {
    name: stops.find(([, selector]) => element.matches(selector))?.[0],
    isVisible:
      element === document.body || ((hasRing || style.boxShadow !== 'none') && box.width > 0 && box.height > 0),
    html: element.outerHTML.slice(0, 100),
  }
}

/** Opens the search by its key, looks for a word, and follows the first result by Enter. */
export async function findFaultsOfSearch(page, address) {
  await page.goto(address)
  const input = page.locator('#localsearch-input')
  // The key does nothing before the page's scripts have run.
  for (let presses = 0; presses < MOST_PRESSES && !(await input.isVisible()); presses += 1) {
    await page.keyboard.press('Control+k')
    await input.waitFor({ timeout: PRESS_MS }).catch(() => undefined)
  }
  try {
    await input.fill('semaphore')
    await page.locator('.VPLocalSearchBox .result').first().waitFor()
    await page.keyboard.press('Enter')
    await page.waitForURL((url) => url.hash !== '' || url.pathname !== new URL(address).pathname)
    return []
  } catch (error) {
    return [`search by the keyboard: ${error.message}`]
  }
}
