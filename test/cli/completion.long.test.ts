/** Completion, by the shells themselves. If a shell isn't installed, its tests are skipped and say so. */
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { SLOCKET, Workplace } from '../helpers/command.ts'
import { reasonWithout } from '../helpers/privileges.ts'

/** What is typed before the tab key, and what the line is then. */
const LINES: readonly (readonly [typed: string, line: string])[] = [
  ['slocket st', 'slocket status'],
  ['slocket completion f', 'slocket completion fish'],
  ['slocket help doc', 'slocket help doctor'],
  ['slocket status --wa', 'slocket status --watch'],
  ['slocket status fif', 'slocket status fifo'],
  ['slocket doctor --j', 'slocket doctor --json'],
  ['slocket break --y', 'slocket break --yes'],
  ['slocket run --sha', 'slocket run --shared'],
  ['slocket run --at', 'slocket run --at-least'],
  ['slocket run --sl', 'slocket run --slice'],
  ['slocket run --slice 5 L slocke', 'slocket run --slice 5 L slocket'],
  ['slocket run --par', 'slocket run --parents'],
  ['slocket rel', 'slocket release'],
  ['slocket hold --pi', 'slocket hold --pid'],
  ['slocket hold fif', 'slocket hold fifo'],
  ['slocket release --pi', 'slocket release --pid'],
  ['slocket release fif', 'slocket release fifo'],
  ['slocket flock --verb', 'slocket flock --verbose'],
  ['slocket flock fif', 'slocket flock fifo'],
  ['slocket flock -w 3 F slocke', 'slocket flock -w 3 F slocket'],
  ['slocket flock F cat --qu', 'slocket flock F cat --qu'],
  ['slocket run -x --lab', 'slocket run -x --label'],
  ['slocket run fif', 'slocket run fifo'],
  // The command that is run, and not the lock: also behind options that take a value.
  ['slocket run L slocke', 'slocket run L slocket'],
  ['slocket run L -n -- slocke', 'slocket run L -n -- slocket'],
  ['slocket run -w 3 L slocke', 'slocket run -w 3 L slocket'],
  ['slocket run --on-lost kill --at-least 3 L slocke', 'slocket run --on-lost kill --at-least 3 L slocket'],
  ['slocket run -xw 3 --label x L slocke', 'slocket run -xw 3 --label x L slocket'],
  ['slocket run --timeout=3 -E3 L slocke', 'slocket run --timeout=3 -E3 L slocket'],
  // Its options are not those of slocket.
  ['slocket run L cat --qu', 'slocket run L cat --qu'],
  ['slocket run L -- cat --qu', 'slocket run L -- cat --qu'],
  ['slocket run L -- cat fif', 'slocket run L -- cat fifo'],
]
/** By the completion of that command, for which bash needs the package bash-completion. */
const NESTED = [
  ['slocket run L -- slocket brea', 'slocket run L -- slocket break'],
  ['slocket run -s L slocket run --sha', 'slocket run -s L slocket run --shared'],
] as const

const PROMPT = 'next> '
const TAB = '\t'
/** To the beginning of the line. */
const CTRL_A = '\u{1}'

let place: Workplace
beforeEach(async () => {
  place = new Workplace()
  // Not where its name could be completed as that of a file.
  fs.mkdirSync(place.path('.bin'))
  fs.writeFileSync(place.path('.bin/slocket'), `#!/bin/sh\nexec ${SLOCKET.join(' ')} "$@"\n`, { mode: 0o755 })
})
afterEach(() => place.close())

function env(): Record<string, string> {
  const path = `${place.path('.bin')}:${process.env['PATH']}`
  // npm says `vi`, by which zsh has other keys: zshzle(1).
  const editor = { EDITOR: 'ed', VISUAL: 'ed' }
  return { HOME: place.directory, TERM: 'dumb', SHELL: '/bin/sh', PATH: path, ...editor }
}

const withoutTerminal = reasonWithout('bash', '-c', 'true') || reasonWithout('script', '-qec', 'true', '/dev/null')

test('bash completes words at a terminal', { skip: withoutTerminal }, async () => {
  const shell = 'bash --norc --noprofile -i'
  const terminal = place.start(['script', '-qec', shell, '/dev/null'], { env: { ...env(), PS1: PROMPT } })
  // One after the other, each at a prompt: what is typed while a command runs may be taken by the terminal itself.
  await terminal.says(new RegExp(PROMPT))
  terminal.type('source <(slocket completion bash) && echo sourced\n')
  await terminal.says(new RegExp(`^sourced[^]*${PROMPT}`, 'm'))
  for (const [index, [typed]] of LINES.entries()) {
    terminal.type(`${typed}${TAB}${CTRL_A}echo said-${index} \n`)
    await terminal.says(new RegExp(`^said-${index} [^]*${PROMPT}`, 'm'))
  }
  terminal.type('exit\n')
  const { stdout } = await terminal.ended()
  const said = [...stdout.matchAll(/^said-\d+ (.*?) *\r?$/gm)].map(([, line]) => line)
  assert.deepEqual(
    said,
    LINES.map(([, line]) => line),
    stdout,
  )
})

describe('fish', { skip: reasonWithout('fish', '-c', 'true') }, () => {
  async function ask(...lines: readonly string[]): Promise<string[]> {
    const asked = lines.map((line) => `echo = (complete -C${JSON.stringify(line)} | string split -f1 \\t)`)
    const script = ['slocket completion fish | source', ...asked].join('; ')
    const { stdout, stderr } = await place.run(['fish', '--no-config', '-c', script], { env: env() })
    assert.equal(stderr, '')
    return stdout.split('\n').map((line) => line.slice(2))
  }

  test('completes words', async () => {
    const lines = [...LINES, ...NESTED]
    const answers = await ask(...lines.map(([typed]) => typed))
    for (const [index, [typed, line]] of lines.entries()) {
      const last = line.slice(line.lastIndexOf(' ') + 1)
      assert.equal(answers[index], typed === line ? '' : last, typed)
    }
  })

  test('shows commands with descriptions', async () => {
    const [commands, values] = await ask('slocket ', 'slocket run -w ')
    assert.deepEqual(commands?.split(' '), [
      'break',
      'completion',
      'doctor',
      'flock',
      'help',
      'hold',
      'release',
      'run',
      'status',
    ])
    assert.equal(values, '')
    const script = `slocket completion fish | source; complete -C'slocket run --shar'`
    const { stdout } = await place.run(['fish', '--no-config', '-c', script], { env: env() })
    assert.equal(stdout, '--shared\ttogether with others who share\n')
  })
})

const withoutZsh = reasonWithout('zsh', '-c', 'true') || withoutTerminal

test('zsh completes words at a terminal', { skip: withoutZsh }, async () => {
  const lines = [...LINES, ...NESTED]
  const terminal = place.start(['script', '-qec', 'zsh -f -i', '/dev/null'], { env: { ...env(), PS1: PROMPT } })
  await terminal.says(new RegExp(PROMPT))
  terminal.type('source <(slocket completion zsh) && echo sourced\n')
  await terminal.says(new RegExp(`^sourced[^]*${PROMPT}`, 'm'))
  for (const [index, [typed]] of lines.entries()) {
    terminal.type(`${typed}${TAB}${CTRL_A}echo said-${index} \n`)
    await terminal.says(new RegExp(`^said-${index} [^]*${PROMPT}`, 'm'))
  }
  terminal.type('exit\n')
  const { stdout } = await terminal.ended()
  for (const [index, [typed, line]] of lines.entries()) {
    assert.equal(new RegExp(`^said-${index} (.*?) *\r?$`, 'm').exec(stdout)?.[1], line, typed)
  }
})

test('zsh can load it from a file of its function path', { skip: reasonWithout('zsh', '-c', 'true') }, async () => {
  const { stdout } = await place.runSlocket('completion', 'zsh')
  assert.match(stdout, /^#compdef slocket\n/)
  fs.writeFileSync(place.path('_slocket'), stdout)
  const script = 'fpath=($PWD); autoload +X -Uz _slocket && print $+functions[_slocket]'
  assert.equal((await place.run(['zsh', '-f', '-c', script], { env: env() })).stdout, '1\n')
})
