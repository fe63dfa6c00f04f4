// A plugin for textlint that reads comments and messages out of TypeScript and JavaScript.
//
// Comments of whole lines that follow each other are one text. A message is a string, or a part of a template, of three words or more.
import { parseSync } from 'oxc-parser'

const EXTENSIONS = ['.ts', '.js']
const MESSAGE = /\S+\s+\S+\s+\S+/

export const sourcePlugin = {
  Processor: class {
    availableExtensions() {
      return EXTENSIONS
    }

    processor() {
      return {
        preProcess: (source, filePath) => documentOf(source, textsIn(source, filePath)),
        postProcess: (messages, filePath) => ({ messages, filePath: filePath ?? '<source>' }),
      }
    }
  },
}

function documentOf(source, texts) {
  const node = nodeMaker(source)
  const paragraphs = texts.map(({ start, end, value }) =>
    node('Paragraph', start, end, { children: [node('Str', start, end, { value })] }),
  )
  return node('Document', 0, source.length, { children: paragraphs })
}

/** [{ start, end, value }] in order. A value is as long as the source it stands for, with spaces in place of what is no text. */
function textsIn(source, filePath) {
  const { program, comments, errors } = parseSync(filePath, source)
  if (errors.length > 0) throw new Error(`${filePath}: ${errors[0].message}`)
  const strings = []
  walk(program, (node) => {
    const text = node.type === 'TemplateElement' ? node.value.raw : node.type === 'Literal' ? node.value : undefined
    if (typeof text === 'string' && MESSAGE.test(text)) strings.push(node)
  })
  const messages = strings.map(({ start, end }) => ({ start, end, value: source.slice(start, end) }))
  return [...messages, ...joined(comments, source)].sort((a, b) => a.start - b.start)
}

function joined(comments, source) {
  const texts = []
  for (const { type, start, end } of comments) {
    const last = texts.at(-1)
    const follows =
      last !== undefined && type === 'Line' && last.type === 'Line' && /^\s*$/.test(source.slice(last.end, start))
    if (follows) last.end = end
    else texts.push({ type, start, end })
  }
  return texts.map(({ start, end }) => ({ start, end, value: withoutMarks(source.slice(start, end)) }))
}

/** Blanks the slashes and asterisks of a comment, and code in backquotes. */
function withoutMarks(comment) {
  const blank = (found) => found.replace(/[^\n]/g, ' ')
  return comment
    .replace(/^\s*(?:\/\/|\/\*\*?|\*(?!\/))|\*\/$/gm, blank)
    .replace(/`[^`\n]*`/g, (code) => `x${'x'.repeat(code.length - 1)}`)
}

function walk(value, visit) {
  if (Array.isArray(value)) for (const item of value) walk(item, visit)
  else if (typeof value === 'object' && value !== null) {
    if (typeof value.type === 'string') visit(value)
    for (const part of Object.values(value)) walk(part, visit)
  }
}

function nodeMaker(source) {
  const starts = [0, ...[...source.matchAll(/\n/g)].map(({ index }) => index + 1)]
  const position = (offset) => {
    let line = starts.findLastIndex((start) => start <= offset)
    if (line < 0) line = 0
    return { line: line + 1, column: offset - starts[line] }
  }
  return (type, start, end, rest) => ({
    type,
    raw: source.slice(start, end),
    range: [start, end],
    loc: { start: position(start), end: position(end) },
    ...rest,
  })
}
