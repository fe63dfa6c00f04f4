/** Adds colours, if they are wanted: https://no-color.org */
import { styleText } from 'node:util'

export function paint(style: 'bold' | 'green' | 'yellow' | 'red', text: string): string {
  const { NO_COLOR, TERM } = process.env
  const isPlain = !process.stdout.isTTY || (NO_COLOR !== undefined && NO_COLOR !== '') || TERM === 'dumb'
  return isPlain ? text : styleText(style, text)
}
