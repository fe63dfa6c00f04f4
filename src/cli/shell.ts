/** The shell that runs a line: for `-c`. */

/** cmd drops one pair of quotes around the line (`/s`), runs it and ends (`/c`), and leaves out what the registry would have it run first (`/d`). */
const FOR_CMD = ['/d', '/s', '/c']

/** The command that runs a line: by `$SHELL` or /bin/sh; on Windows by cmd, since a `$SHELL` there has a path that only its own programs know. */
export function shellCommand(line: string): readonly [string, ...string[]] {
  const { SHELL = '', ComSpec = '' } = process.env
  if (process.platform === 'win32') return [ComSpec === '' ? 'cmd.exe' : ComSpec, ...FOR_CMD, `"${line}"`]
  return [SHELL === '' ? '/bin/sh' : SHELL, '-c', line]
}

/** Whether arguments are a line for cmd. It must get the line as it is: cmd doesn't know the escapes by which Node passes quotes on. */
export function isLineForCmd(parameters: readonly string[]): boolean {
  if (process.platform !== 'win32' || parameters.length !== FOR_CMD.length + 1) return false
  return FOR_CMD.every((word, index) => parameters[index] === word) && /^".*"$/s.test(parameters.at(-1)!)
}
