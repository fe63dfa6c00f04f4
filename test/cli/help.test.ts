/** What `--help` says, beside docs/cli.md, from which the manual page is made: each option is in both. Completion is derived from `--help`. */
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { HELP } from '../../src/cli/help.ts'

const page = fs.readFileSync(fileURLToPath(new URL('../../../docs/cli.md', import.meta.url)), 'utf8')

/** The long options in the rows of a text. */
function optionsIn(text: string, row: RegExp): string[] {
  return [...text.matchAll(row)].flatMap(([, cell]) => [...cell!.matchAll(/--[a-z-]+/g)].map(([option]) => option))
}

function sectionOf(command: string): string {
  const [, section] = new RegExp(`^## slocket ${command}$([^]*?)^## `, 'm').exec(page) ?? []
  return section!
}

for (const command of ['run', 'hold']) {
  test(`slocket ${command}: --help and docs/cli.md describe the same options`, () => {
    const helped = new Set(optionsIn(HELP[command]!, /^ {2,}(-.*?) {2,}/gm))
    assert.ok(helped.size > 10)
    const section = sectionOf(command)
    // The table of `hold` names some options by their letters: the long names work, too.
    const isDescribed = (option: string): boolean => section.includes(`\`${option}`) || isByLetter(command, option)
    assert.deepEqual(
      [...helped].filter((option) => !isDescribed(option)),
      [],
    )
    // Other names of an option of flock(1).
    const others = new Set(['--nb', '--nonblocking', '--wait'])
    const described = optionsIn(section, /^\| (`-.*?) \|/gm).filter((option) => !others.has(option))
    assert.deepEqual(
      described.filter((option) => !helped.has(option)),
      [],
    )
  })
}

/** True if the description of `hold` has the option "as for `slocket run`". */
function isByLetter(command: string, option: string): boolean {
  const [, letter] = new RegExp(`(-[a-zA-Z]),[^\n]* ${option}\\b`).exec(HELP['run']!) ?? []
  return command === 'hold' && letter !== undefined && new RegExp(`\`${letter}[\` ]`).test(sectionOf('hold'))
}
