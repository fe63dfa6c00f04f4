// The rule for textlint that finds the words of words.js.
import { AROUND, WORDS } from './words.js'

/** How many characters on either side of a match a message shows. */
const SHOWN = 25

export function wordsRule({ Syntax, RuleError, report, locator }) {
  return {
    [Syntax.Str](node) {
      for (const { index, around, word } of findWords(node.value)) {
        const message = `…${around}…: ${word.use} (${word.name})`
        report(node, new RuleError(message, { padding: locator.at(index) }))
      }
    },
  }
}

/** [{ index, around, word }] of each word in a text that is in the list and isn't excepted. `around` is the match and what is beside it. */
function findWords(text) {
  const line = text.replace(/\s/g, ' ')
  return WORDS.flatMap((word) =>
    [...line.matchAll(spaced(word.pattern))]
      .filter((match) => !isExcepted(line, match, word.except))
      .map((match) => ({ index: match.index, around: surroundings(line, match).replace(/ +/g, ' ').trim(), word })),
  )
}

/** A comment that goes on in the next line has more than one space there. */
function spaced({ source, flags }) {
  return new RegExp(source.replaceAll(' ', ' +'), flags)
}

/** A match and what is beside it. */
function surroundings(line, { 0: { length }, index }) {
  return line.slice(Math.max(0, index - SHOWN), index + length + SHOWN)
}

function isExcepted(line, match, except) {
  if (except === undefined) return false
  const from = Math.max(0, match.index - AROUND)
  const to = match.index + match[0].length
  const seen = line.slice(from, to + AROUND)
  return [...seen.matchAll(new RegExp(spaced(except).source, 'gi'))].some(
    (found) => from + found.index < to && from + found.index + found[0].length > match.index,
  )
}
