// Builds the site into docs/site/dist: npm run docs. Installs what it needs, as docs/site/package-lock.json pins it.
import { fileURLToPath } from 'node:url'
import { build } from 'vitepress'
import { stage } from './stage.js'

const home = fileURLToPath(new URL('.', import.meta.url))
stage(`${home}build/pages`)
await build(home)
