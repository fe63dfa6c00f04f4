/** What others may see of a command line: engines show it to every process that asks who holds a lock. */

/** A word that is a URL, or an option with one. */
const WHOLE = /^((?:--[\w-]+=)?[a-z][a-z\d+.-]*:\/\/)(.*@)?([^?#]*)([?#].*)?$/is
/** A URL in the middle of a word, from behind its scheme. */
const PART = /(:\/\/)([^\s'"]*@)?([^\s'"?#]*)([?#][^\s'"]*)?/g

/** Removes from `word` what may be secret in a URL: user, password and parameters. */
export function withoutSecrets(word: string): string {
  return WHOLE.test(word) ? word.replace(WHOLE, hide) : word.replace(PART, hide)
}

function hide(_all: string, scheme: string, user: string | undefined, rest: string, parameters?: string): string {
  return `${scheme}${user === undefined ? '' : '***@'}${rest}${parameters === undefined ? '' : '?***'}`
}
