/** `slocket completion`: what the shells need, derived from the texts of help.ts. */
import { UsageError } from './exit-status.ts'
import { HELP } from './help.ts'
import { print } from './output.ts'

interface Option {
  /** All its names: `-x`, `--exclusive`. */
  readonly flags: readonly string[]
  /** The value that has to follow it, in capitals. */
  readonly value: string | undefined
  readonly text: string
}

const COMMANDS: Readonly<Record<string, string>> = Object.fromEntries(
  [...HELP['']!.matchAll(/^ {2}slocket ([a-z]+)\b.*? {2,}(.*)$/gm)].map(([, name, text]) => [name!, text!]),
)
const NAMES = Object.keys(COMMANDS)
const SHELLS = ['bash', 'zsh', 'fish']
/** The commands that are followed by LOCK and then another command. */
const RUNNERS = ['run', 'flock']
/** `flock` has no options that `run` doesn't have. */
const VALUED = optionsOf('run').flatMap(({ flags, value }) => (value === undefined ? [] : flags))
/** `-nw` takes the next word as its value, `-w3` and `--wait=3` do not. */
const LETTERS = VALUED.filter((flag) => !flag.startsWith('--')).map((flag) => flag.slice(1))
const SHORT = LETTERS.join('')
const WANTS_VALUE = [`-[^-${SHORT}]*[${SHORT}]`, ...VALUED.filter((flag) => flag.startsWith('--'))].join('|')

/** Returns the exit status. */
export function completion([shell, ...others]: readonly string[]): number {
  const script = SCRIPTS[shell ?? '']
  if (script === undefined || others.length > 0) throw new UsageError('SHELL must be bash, zsh or fish')
  print(script())
  return 0
}

const SCRIPTS: Readonly<Record<string, () => string>> = { bash, zsh, fish }

function optionsOf(command: string): Option[] {
  const rows = (HELP[command] ?? '').matchAll(
    /^ {2,}(-[a-zEFV-][a-z, E-]*?)(?: ([A-Z]+|[a-z]+(?:\|[a-z]+)+))? {2,}(.*)$/gm,
  )
  return [...rows].map(([, flags, value, text]) => ({ flags: flags!.split(', '), value, text: text! }))
}

/** After LOCK, the words of the other command are completed: by bash-completion, if that is installed. */
function bash(): string {
  const cases = NAMES.flatMap((name) => {
    const flags = optionsOf(name).flatMap((option) => option.flags)
    return flags.length === 0 ? [] : [`    ${name}) options='${words(flags)}' ;;`]
  })
  return `_slocket() {
  local word=\${COMP_WORDS[COMP_CWORD]} command=\${COMP_WORDS[1]} options= lock= start=0 at
  COMPREPLY=()
  if ((COMP_CWORD == 1)); then
    COMPREPLY=($(compgen -W '${words(NAMES)}' -- "$word"))
    return
  fi
  case $command in
${lines(cases)}
    help) COMPREPLY=($(compgen -W '${words(NAMES)}' -- "$word")); return ;;
    completion) COMPREPLY=($(compgen -W '${words(SHELLS)}' -- "$word")); return ;;
  esac
  if [[ $command == @(${RUNNERS.join('|')}) ]]; then
    for ((at = 2; at < COMP_CWORD && start == 0; at++)); do
      case \${COMP_WORDS[at]} in
        --) if [[ $lock ]]; then start=$((at + 1)); else options=; fi ;;
        -*)
          if [[ \${COMP_WORDS[at + 1]} == = ]]; then ((at += 2))
          elif [[ \${COMP_WORDS[at]} =~ ^(${WANTS_VALUE})$ ]]; then ((at += 1)); fi ;;
        *) if [[ $lock ]]; then start=$at; else lock=1; fi ;;
      esac
    done
    if ((at > COMP_CWORD)); then return; fi
    if [[ $lock && $start == 0 && $word != -* ]]; then start=$COMP_CWORD; fi
    if ((start > 0)); then
      if declare -F _command_offset >/dev/null; then _command_offset "$start"
      elif ((start == COMP_CWORD)); then COMPREPLY=($(compgen -c -- "$word")); fi
      return
    fi
  fi
  if [[ $word == -* ]]; then COMPREPLY=($(compgen -W "$options" -- "$word")); fi
}
complete -o default -F _slocket slocket
`
}

/** To be read at the start of a shell, or as the file `_slocket` in one of the directories of `fpath`. */
function zsh(): string {
  const described = NAMES.map((name) => quotedForZsh(`${name}:${escapedForZsh(COMMANDS[name]!)}`))
  const rest: Readonly<Record<string, string>> = {
    ...Object.fromEntries(RUNNERS.map((name) => [name, "'1:lock:_files' '*:::command:_normal'"])),
    help: `'1:command:(${words(NAMES)})'`,
    completion: `'1:shell:(${words(SHELLS)})'`,
  }
  const cases = NAMES.map((name) => {
    const specs = [...optionsOf(name).map(specForZsh), rest[name] ?? "'*:path:_files'"]
    return `    ${name}) _arguments -s -S ${specs.join(' ')} ;;`
  })
  return `#compdef slocket
_slocket() {
  if ((CURRENT == 2)); then
    local -a commands=(${words(described)})
    _describe command commands
    return
  fi
  shift words
  ((CURRENT--))
  case $words[1] in
${lines(cases)}
  esac
}
if [[ $funcstack[1] == _slocket ]]; then
  _slocket "$@"
else
  (($+functions[compdef])) || { autoload -Uz compinit && compinit }
  compdef _slocket slocket
fi
`
}

/** `'(-w --timeout)'{-w+,--timeout=}'[what it does]:SECONDS: '`: zshcompsys(1), _arguments. */
function specForZsh({ flags, value, text }: Option): string {
  const names = flags.map((flag) => {
    if (value === undefined) return flag
    return flag.startsWith('--') ? `${flag}=` : `${flag}+`
  })
  const braced = names.length > 1 ? `{${names.join()}}` : names.join()
  const argument = value === undefined ? '' : `:${value}: `
  const description = quotedForZsh(`[${escapedForZsh(text)}]${argument}`)
  return `'(${words(flags)})'${braced}${description}`
}

function escapedForZsh(text: string): string {
  return text.replaceAll(/[[\]:\\]/g, String.raw`\$&`)
}

function quotedForZsh(text: string): string {
  const inside = text.replaceAll("'", String.raw`'\''`)
  return `'${inside}'`
}

/** `__slocket_command` prints the words of the command that is run, as far as they stand before the cursor. It fails if no command has begun. */
function fish(): string {
  const completions = [
    ...NAMES.map((name) => `-n __fish_use_subcommand -f -a ${name} -d ${quotedForFish(COMMANDS[name]!)}`),
    `-n '__slocket_is completion' -f -a '${words(SHELLS)}'`,
    `-n '__slocket_is help' -f -a '${words(NAMES)}'`,
    "-n __slocket_command -x -a '(__slocket_complete_command)'",
    ...NAMES.flatMap((name) => optionsOf(name).map((option) => optionForFish(name, option))),
  ]
  return `function __slocket_is
    set -l words (commandline -opc)
    test "$words[2]" = $argv[1]; and not __slocket_command >/dev/null
end
function __slocket_command
    set -l words (commandline -opc)
    contains -- "$words[2]" ${words(RUNNERS)}; or return
    set -e words[1..2]
    set -l lock
    while set -q words[1]
        set -l word $words[1]
        set -e words[1]
        if string match -qr '^(${WANTS_VALUE})$' -- $word
            set -q words[1]; or return
            set -e words[1]
        else if test $word = --; and set -q lock[1]
            string escape -- $words
            return 0
        else if string match -q -- '-*' $word
            continue
        else if set -q lock[1]
            string escape -- $word $words
            return 0
        else
            set lock $word
        end
    end
    set -q lock[1]; and not string match -q -- '-*' (commandline -ct)
end
function __slocket_complete_command
    set -l words (__slocket_command) (commandline -ct)
    complete -C "$words"
end
${lines(completions.map((line) => 'complete -c slocket ' + line))}
`
}

function optionForFish(command: string, { flags, value, text }: Option): string {
  const names = flags.map((flag) => (flag.startsWith('--') ? `-l ${flag.slice(2)}` : `-s ${flag.slice(1)}`))
  if (value !== undefined) names.push('-x')
  return `-n '__slocket_is ${command}' ${words(names)} -d ${quotedForFish(text)}`
}

function quotedForFish(text: string): string {
  const inside = text.replaceAll(/[\\']/g, String.raw`\$&`)
  return `'${inside}'`
}

function words(all: readonly string[]): string {
  return all.join(' ')
}

function lines(all: readonly string[]): string {
  return all.join('\n')
}
