/** The texts of `--help`: each fits a screen. Full reference: docs/cli.md. */
const COMMON = `
usage: slocket COMMAND [options] …

  slocket run LOCK -- COMMAND …    run a command under a lock
  slocket hold LOCK                hold a lock for the rest of a script
  slocket release LOCK             release a lock that hold acquired
  slocket flock FILE COMMAND …     the command line of flock(1)
  slocket status [PLACE…]          show who holds and who waits
  slocket break LOCK               take a lock away from its holders
  slocket doctor [DIRECTORY]       check whether locks are safe in a directory
  slocket completion SHELL         print completion for bash, zsh or fish
  slocket help [COMMAND]           show the options of a command
  slocket --version

A LOCK is a path: slocket makes a directory there, and removes it when nobody needs it.
`

export const HELP: Readonly<Record<string, string>> = {
  '': COMMON,
  run: `
usage: slocket run [options] LOCK ([--] COMMAND [ARG…] | -c 'SHELL LINE')

  -x, -e, --exclusive             no other holder at the same time (default)
  -s, --shared                    share the lock with other shared holders
  -p, --permits N                 up to N at a time
      --take K                    take K of the N permits (default 1)
  -n, --try, --nonblock           give up at once if the lock is not free
  -w, --timeout SECONDS           give up after this time
  -E, --conflict-exit-code N      the exit status after giving up (default 1)
  -o, --close                     keep the lock from daemons that COMMAND leaves behind
  -c, --command LINE              run LINE with a shell
      --label TEXT                a text that other processes see
      --access WHO                who can use LOCK, whatever the umask: user, group, all
      --parents                   make missing directories above LOCK
      --slice MS                  no effect: a slice is for processes with many requests
      --at-least SECONDS          hold LOCK at least this long, even if COMMAND ends
      --engine URL                LOCK is a name on postgres://…, etcd://…, redis://…
      --on-lost term|kill|ignore  what happens to COMMAND if the lock is lost
  -q, --quiet                     print nothing
  -v, --verbose                   print how long it waited, or why it gave up

Exits with the status of COMMAND: 128 + n if signal n ended it, 127 if it isn't found,
126 if it can't be started; 64 to 74 if something else failed.
`,
  hold: `
usage: slocket hold [options] LOCK

Returns when LOCK is held. A background process, the keeper, holds it until the calling
script ends, or until 'slocket release LOCK'. If the keeper is killed, LOCK is free.

      --pid PID                   release LOCK when PID ends (default: the parent)
      --env                       print SLOCKET_TOKEN and SLOCKET_RECOVERED for a shell
  -x, -e, --exclusive             no other holder at the same time (default)
  -s, --shared                    share the lock with other shared holders
  -p, --permits N                 up to N at a time
      --take K                    take K of the N permits (default 1)
  -n, --try, --nonblock           give up at once if the lock is not free
  -w, --timeout SECONDS           give up after this time
  -E, --conflict-exit-code N      the exit status after giving up (default 1)
      --label TEXT                a text that other processes see
      --access WHO                who can use LOCK, whatever the umask: user, group, all
      --parents                   make missing directories above LOCK
  -q, --quiet                     print nothing
  -v, --verbose                   print how long it waited, or why it gave up
`,
  release: `
usage: slocket release [--pid PID] LOCK

Releases the lock that 'slocket hold LOCK' has acquired for the calling script. Exits
with 1 if the script doesn't hold LOCK, or no longer does.

      --pid PID    the process that holds the lock (default: the parent)
`,
  flock: `
usage: slocket flock [options] FILE|DIRECTORY COMMAND [ARG…]
       slocket flock [options] FILE|DIRECTORY -c 'SHELL LINE'

The command line of flock(1). A link named flock does the same. The lock is FILE.lock.

  -x, -e, --exclusive           no other holder at the same time (default)
  -s, --shared                  share the lock with other shared holders
  -n, --nonblocking             give up at once if the lock is not free
  -w, --timeout SECONDS         give up after this time
  -E, --conflict-exit-code N    the exit status after giving up (default 1)
  -o, --close                   keep the lock from daemons that COMMAND leaves behind
  -F, --no-fork                 no effect: COMMAND has the lock anyway
  -u, --unlock                  run COMMAND without the lock
      --verbose                 print how long it waited
  -h, --help                    print this text
  -V, --version                 print the version of slocket

A descriptor (flock 9) is refused: see slocket hold.
`,
  status: `
usage: slocket status [options] [LOCK|DIRECTORY…]

Lists holders and waiters. Without arguments, lists all locks below this directory.

      --json          print JSON, for programs
  -w, --watch         redraw each second
      --engine URL    the locks with these names on postgres://…, etcd://…, redis://…
`,
  break: `
usage: slocket break [--yes] LOCK

Shows who holds the lock, asks for confirmation, and takes the lock away from exactly
these holders. They are notified at once (lock.signal), but go on running.

  -y, --yes    do not ask
`,
  doctor: `
usage: slocket doctor [--json] [DIRECTORY]

Tests everything that locks rely on in the directory (default: this one).
Exits with 1 if locks would not be safe there.

  --json    print JSON, for programs
`,
  completion: `
usage: slocket completion bash|zsh|fish

  bash:  source <(slocket completion bash)
  zsh:   source <(slocket completion zsh)
  fish:  slocket completion fish | source
`,
}
