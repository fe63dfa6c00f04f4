/** `slocket completion`: what the shells need, read off the texts of help.ts. */
import { UsageError } from './exit-status.ts'
import { HELP } from './help.ts'
import { write } from './output.ts'

const COMMANDS = [...Object.keys(HELP).filter((name) => name !== ''), 'help']

/** Gives the exit status. */
export function completion([shell, ...others]: readonly string[]): number {
  const script = SCRIPTS[shell ?? '']
  if (script === undefined || others.length > 0) throw new UsageError('say which shell: bash, zsh or fish')
  write(1, script())
  return 0
}

const SCRIPTS: Readonly<Record<string, () => string>> = { bash, zsh, fish }

function optionsOf(command: string): string[] {
  return [...new Set(HELP[command]!.match(/(?<=[ ,[])--?[a-zE][a-z-]*/g))]
}

function bash(): string {
  const cases = COMMANDS.filter((name) => name in HELP).map(
    (name) => `    ${name}) options='${optionsOf(name).join(' ')}' ;;`,
  )
  return `_slocket() {
  local word=\${COMP_WORDS[COMP_CWORD]} options=
  COMPREPLY=()
  if ((COMP_CWORD == 1)); then
    COMPREPLY=($(compgen -W '${COMMANDS.join(' ')}' -- "$word"))
    return
  fi
  case \${COMP_WORDS[1]} in
${cases.join('\n')}
    help) COMPREPLY=($(compgen -W '${COMMANDS.join(' ')}' -- "$word")); return ;;
  esac
  if [[ \${COMP_WORDS[1]} == completion ]]; then
    COMPREPLY=($(compgen -W 'bash zsh fish' -- "$word"))
  elif [[ $word == -* ]]; then
    COMPREPLY=($(compgen -W "$options" -- "$word"))
  fi
}
complete -o default -F _slocket slocket
`
}

/** By bash's, which zsh can read. */
function zsh(): string {
  return `autoload -U +X bashcompinit && bashcompinit\n${bash()}`
}

function fish(): string {
  const commands = `complete -c slocket -n __fish_use_subcommand -f -a '${COMMANDS.join(' ')}'`
  const shells = `complete -c slocket -n '__fish_seen_subcommand_from completion' -f -a 'bash zsh fish'`
  const options = COMMANDS.filter((name) => name in HELP).flatMap((name) =>
    optionsOf(name).map((option) => {
      const flag = option.startsWith('--') ? `-l ${option.slice(2)}` : `-s ${option.slice(1)}`
      return `complete -c slocket -n '__fish_seen_subcommand_from ${name}' ${flag}`
    }),
  )
  return [commands, shells, ...options, ''].join('\n')
}
