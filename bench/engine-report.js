// Writes the tables of docs/performance-engines.md from results of `npm run bench:engines -- --json FILE`.

const TABLE = /(<!-- results: ([^\n]+?) -->\n)[^]*?(\n<!-- the end of these results -->)/g

/**
 * Rewrites each table between `<!-- results: CASE; CASE … -->` and `<!-- the end of these results -->`, with a row for each contestant of each case. A
 * table stays as it is if none of it was measured. A name that begins with `plot ` is that of a plot, which is shown above the table.
 */
export function fillTables(text, { cases }) {
  return text.replaceAll(TABLE, (whole, begin, names, end) => {
    const all = names.split('; ')
    const plots = all.filter((name) => name.startsWith('plot ')).map((name) => name.slice('plot '.length))
    const measured = all.filter((name) => cases[name] !== undefined)
    if (measured.length === 0) return whole
    const rows = measured.flatMap((name) => cases[name].map((row) => ({ ...titled(name), ...row })))
    const images = plots.map((file) => `![the same as a plot](performance/${file})\n\n`)
    return `${begin}\n${images.join('')}${table(rows)}\n${end}`
  })
}

/** The text around the table says what is measured. Of the case, it shows the server and the number of processes. */
function titled(name) {
  const [, server, processes] = name.split(', ')
  return processes === undefined ? { server } : { server, processes: Number.parseInt(processes, 10) }
}

export function table(rows) {
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))]
  const cells = rows.map((row) => columns.map((column) => format(row[column])))
  return [columns, columns.map(() => '---'), ...cells].map((line) => `| ${line.join(' | ')} |`).join('\n')
}

function format(value) {
  if (typeof value !== 'number') return String(value ?? '')
  if (Number.isInteger(value)) return String(value)
  return value.toFixed(Math.abs(value) < 100 ? 2 : 0)
}
