// A headless Chromium with an empty profile, which asks no host by itself.
import { spawnSync } from 'node:child_process'
import { accessSync, constants, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { chromium } from 'playwright-core'
import { ROOT } from './pages.js'

/** In this order. `SLOCKET_BROWSER` is the path of another one. */
const NAMES = ['chromium-headless-shell', 'chromium', 'chromium-browser', 'google-chrome']
const PACKAGE = 'chromium-headless-shell'
const FLAGS = [
  // Without it no Chromium starts as root.
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]
/** How long the browser and each of its answers may take, in ms. A machine with much to do is slow. */
const LIMIT_MS = 120_000

/** Runs `body` with a browser context, whose profile is removed afterwards. */
export async function withBrowser(body) {
  const profile = mkdtempSync(join(tmpdir(), 'slocket-docs-'))
  try {
    const context = await chromium.launchPersistentContext(profile, {
      executablePath: findBrowser(),
      headless: true,
      args: FLAGS,
      timeout: LIMIT_MS,
    })
    context.setDefaultTimeout(LIMIT_MS)
    try {
      return await body(context)
    } finally {
      await context.close()
    }
  } finally {
    rmSync(profile, { recursive: true, force: true, maxRetries: 5 })
  }
}

function findBrowser() {
  const found = installed()
  if (found !== undefined) return found
  if (process.getuid?.() === 0 && isProgram('/usr/bin/apt-get')) {
    const { status } = spawnSync(join(ROOT, 'scripts/apt-install.sh'), [PACKAGE], { stdio: 'inherit' })
    if (status !== 0) throw new Error(`${PACKAGE} could not be installed: see above`)
  }
  const now = installed()
  if (now === undefined)
    throw new Error(`no Chromium: install ${PACKAGE} (Debian), or set SLOCKET_BROWSER to the path of one`)
  return now
}

function installed() {
  if (process.env.SLOCKET_BROWSER !== undefined) return process.env.SLOCKET_BROWSER
  const directories = process.env.PATH.split(delimiter)
  return NAMES.flatMap((name) => directories.map((directory) => join(directory, name))).find(isProgram)
}

function isProgram(path) {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
