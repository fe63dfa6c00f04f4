// Translates positions in files that tsc wrote into positions in the sources, for test-file.js.
//
// Node does the same with --enable-source-maps, but it reads and parses the map of each module that a process loads: a fifth of the processor time
// that a test file needs to start. Here, a map is read only after a failure.
import { readFileSync } from 'node:fs'
import { SourceMap } from 'node:module'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const BUILD = fileURLToPath(new URL('../build/', import.meta.url))
const escaped = (text) => text.replace(/[$()*+.?[\\\]^{|}]/g, String.raw`\$&`)
/** A file below build/, as a path or a URL, with a line and a column. */
const POSITION = new RegExp(
  `(?:${escaped(pathToFileURL(BUILD).href)}|${escaped(BUILD)})([^\\s():]+\\.js):(\\d+):(\\d+)`,
  'g',
)

/** The map of a file by its path, or null if it has none. */
const maps = new Map()

/** Returns a text, such as a stack, with the positions in the sources instead of those in the compiled files. */
export function inSources(text) {
  return text.replace(POSITION, (all, file, line, column) => {
    const found = sourceOf(join(BUILD, file), Number(line), Number(column))
    return found === undefined ? all : `${found.file}:${found.line}:${found.column}`
  })
}

/** The source line and column of a line and column in a compiled file, all counted from 1; undefined if unknown. */
export function sourceOf(file, line, column) {
  const { originalSource, originalLine, originalColumn } = mapOf(file)?.findEntry(line - 1, column - 1) ?? {}
  if (originalSource === undefined) return undefined
  return { file: join(dirname(file), originalSource), line: originalLine + 1, column: originalColumn + 1 }
}

function mapOf(file) {
  if (!maps.has(file)) maps.set(file, readMap(file))
  return maps.get(file)
}

function readMap(file) {
  try {
    // The bundles of a run are below build/ as well, and have no maps.
    return relative(BUILD, file).startsWith('..')
      ? null
      : new SourceMap(JSON.parse(readFileSync(`${file}.map`, 'utf8')))
  } catch (error) {
    if (error.code === 'ENOENT') return null
    throw error
  }
}
