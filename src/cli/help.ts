/** The texts of `--help`: each fits a screen. Full reference: docs/cli.md. */
const COMMON = `
usage: slocket COMMAND [options] …

  slocket run LOCK -- COMMAND …    run a command under a lock
  slocket hold LOCK                hold a lock for the rest of a script
  slocket release LOCK             give back what hold has taken
  slocket flock FILE COMMAND …     as flock(1), with its command line
  slocket status [PLACE…]          who holds, who waits
  slocket break LOCK               take a lock away from those who hold it
  slocket doctor [DIRECTORY]       would locks be safe here?
  slocket completion SHELL         completion for bash, zsh or fish
  slocket help [COMMAND]           what a command takes
  slocket --version

A LOCK is a path: slocket makes a directory there, and removes it when nobody needs it.
`

export const HELP: Readonly<Record<string, string>> = {
  '': COMMON,
  run: `
usage: slocket run [options] LOCK ([--] COMMAND [ARG…] | -c 'SHELL LINE')

  -x, -e, --exclusive             nobody else at a time (default)
  -s, --shared                    together with others who share
  -p, --permits N                 up to N at a time
      --take K                    take K of the N permits (default 1)
  -n, --try, --nonblock           give up at once where it is taken
  -w, --timeout SECONDS           give up after so long
  -E, --conflict-exit-code N      the status for having given up (default 1)
  -o, --close                     keep the lock from what the command leaves behind
  -c, --command LINE              have a shell run LINE
      --label TEXT                what others see
      --access WHO                who can use LOCK, whatever the umask: user, group, all
      --parents                   make missing directories above LOCK
      --slice MS                  no effect: a slice serves further requests
      --at-least SECONDS          hold LOCK at least so long, though COMMAND ends before
      --engine URL                LOCK is a name on postgres://…, etcd://…, redis://…
      --on-lost term|kill|ignore  what becomes of the command when the lock is lost
  -q, --quiet                     say nothing
  -v, --verbose                   say how long it has waited, and why in vain

Exits as the command does; with 128 + n where signal n has ended it, with 127 where
it is not found, 126 where it cannot be started, 64 to 73 where there is no lock.
`,
  hold: `
usage: slocket hold [options] LOCK

Returns when LOCK is held. A process in the background, the keeper, holds it until
the calling script has ended, or 'slocket release LOCK'. If the keeper is killed,
LOCK is free, though the script goes on.

      --pid PID                   the process whose end frees LOCK (default: the parent)
      --env                       print SLOCKET_TOKEN and SLOCKET_RECOVERED for a shell
  -x, -e, --exclusive             nobody else at a time (default)
  -s, --shared                    together with others who share
  -p, --permits N                 up to N at a time
      --take K                    take K of the N permits (default 1)
  -n, --try, --nonblock           give up at once where it is taken
  -w, --timeout SECONDS           give up after so long
  -E, --conflict-exit-code N      the status for having given up (default 1)
      --label TEXT                what others see
      --access WHO                who can use LOCK, whatever the umask: user, group, all
      --parents                   make missing directories above LOCK
  -q, --quiet                     say nothing
  -v, --verbose                   say how long it has waited, and why in vain
`,
  release: `
usage: slocket release [--pid PID] LOCK

Gives back what 'slocket hold LOCK' has taken for the script that calls. Exits with 1
if that does not hold LOCK, or no longer.

      --pid PID    the process for which it is held (default: the parent)
`,
  flock: `
usage: slocket flock [options] FILE|DIRECTORY COMMAND [ARG…]
       slocket flock [options] FILE|DIRECTORY -c 'SHELL LINE'

The command line of flock(1), also by a link of the name flock. The lock is FILE.lock.

  -x, -e, --exclusive           nobody else at a time (default)
  -s, --shared                  together with others who share
  -n, --nonblocking             give up at once where it is taken
  -w, --timeout SECONDS         give up after so long
  -E, --conflict-exit-code N    the status for having given up (default 1)
  -o, --close                   keep the lock from what COMMAND leaves behind
  -F, --no-fork                 changes nothing: COMMAND has the lock anyway
  -u, --unlock                  run COMMAND without the lock
      --verbose                 say how long it has waited
  -h, --help                    this text
  -V, --version                 the version of slocket

A descriptor (flock 9) is refused: see slocket hold.
`,
  status: `
usage: slocket status [options] [LOCK|DIRECTORY…]

Lists those who hold and those who wait. Without words: the locks below this directory.

      --json          for programs
  -w, --watch         again each second, in place
      --engine URL    locks by name, there: postgres://…, etcd://…, redis://…
`,
  break: `
usage: slocket break [--yes] LOCK

Shows who holds the lock, asks, and takes it away from exactly those. They are told
at once (lock.signal), and go on running.

  -y, --yes    do not ask
`,
  doctor: `
usage: slocket doctor [--json] [DIRECTORY]

Tries all that locks rely on in the directory (default: this one).
Exits with 1 where they would not be safe.

  --json    for programs
`,
  completion: `
usage: slocket completion bash|zsh|fish

  bash:  source <(slocket completion bash)
  zsh:   source <(slocket completion zsh)
  fish:  slocket completion fish | source
`,
}
