/** Measures how many columns of a terminal a text takes, and cuts texts to fit. */

/** Characters that take two columns: East Asian characters, and emoji. */
const WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]/u
/** Characters that take no column: they are drawn over the character before them. */
const COMBINING = /\p{M}/u
const ELLIPSIS = '…'

export function widthOf(text: string): number {
  let width = 0
  for (const character of text) width += columnsOf(character)
  return width
}

/** Returns the beginning of the text, and an ellipsis if the rest is left out. */
export function cutEnd(text: string, width: number): string {
  return widthOf(text) <= width ? text : within(text, width - 1) + (width > 0 ? ELLIPSIS : '')
}

/** Returns the end of the text, for paths: they differ there. */
export function cutStart(text: string, width: number): string {
  if (widthOf(text) <= width) return text
  const reversed = Array.from(text).reverse().join('')
  return (
    (width > 0 ? ELLIPSIS : '') +
    Array.from(within(reversed, width - 1))
      .reverse()
      .join('')
  )
}

export function padTo(text: string, width: number): string {
  return text + ' '.repeat(Math.max(0, width - widthOf(text)))
}

/** Returns as many characters of the beginning as fit. */
function within(text: string, width: number): string {
  let fitting = ''
  let left = width
  for (const character of text) {
    left -= columnsOf(character)
    if (left < 0) break
    fitting += character
  }
  return fitting
}

function columnsOf(character: string): number {
  if (WIDE.test(character)) return 2
  return COMBINING.test(character) ? 0 : 1
}
