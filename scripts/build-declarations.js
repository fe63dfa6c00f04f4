// Makes the declarations of the package of those that tsc wrote, for scripts/build-dist.js.
//
// A module's declarations are one file, *.d.cts, for `import` and `require` alike, so that a class is one type in a project that uses both.
// Only what the exports lead to is kept. An export that has a default export gives it for `require`, too: NAME.d.cts says so by `export =`,
// NAME.exports.d.cts has the declarations. All syntax is that of TypeScript 5.0.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'

/** Of the specifier of a module of this package, as tsc writes them. */
const SPECIFIER = /((?:from|import\() ?')(\.[^']+)\.ts'/g

/** @param entries names without endings, relative to both directories. */
export function writeDeclarations({ from, to, entries }) {
  const modules = new Map()
  const rest = [...entries]
  for (let name = rest.pop(); name !== undefined; name = rest.pop()) {
    if (modules.has(name)) continue
    const text = readFileSync(join(from, `${name}.d.ts`), 'utf8')
    modules.set(name, text)
    for (const [, , path] of text.matchAll(SPECIFIER)) rest.push(join(dirname(name), path))
  }
  const hasDefault = (name) => /^export default /m.test(modules.get(name))
  const fileOf = (name) => (hasDefault(name) ? `${name}.exports` : name)
  const write = (name, text) => {
    mkdirSync(dirname(join(to, name)), { recursive: true })
    writeFileSync(join(to, name), text)
  }

  for (const [name, text] of modules) {
    const renamed = text.replaceAll(SPECIFIER, (_, before, path) => {
      return `${before}${dirname(path)}/${basename(fileOf(join(dirname(name), path)))}.cjs'`
    })
    write(`${fileOf(name)}.d.cts`, renamed)
  }
  for (const name of entries) {
    const file = basename(name)
    if (!hasDefault(name)) {
      write(`${name}.d.mts`, `export * from './${file}.cjs'\n`)
      continue
    }
    write(
      `${name}.d.mts`,
      `import all from './${file}.cjs'\nexport default all\nexport * from './${file}.exports.cjs'\n`,
    )
    write(`${name}.d.cts`, callable(name))
  }

  /** The default export, which has the other values as its properties, and the types in a namespace of its name. */
  function callable(name) {
    const text = modules.get(name)
    const value = /^export default (\w+);/m.exec(text)[1]
    const type = new RegExp(`^declare const ${value}: (\\w+);`, 'm').exec(text)[1]
    const types = exportedNames(text).flatMap((exported) => {
      const parameters = parametersOf(exported, name)
      return parameters === undefined
        ? []
        : [`  export type ${exported}${parameters} = exported.${exported}${parameters}\n`]
    })
    return [
      `import type * as exported from './${basename(name)}.exports.cjs'\n`,
      `declare const ${value}: exported.${type}\n`,
      `declare namespace ${value} {\n${types.join('')}}\n`,
      `export = ${value}\n`,
    ].join('')
  }

  /** The parameters of a type, or class, that a module has by that name; undefined if it has none. */
  function parametersOf(type, name) {
    const text = modules.get(name)
    const declared = new RegExp(`^(?:export )?(?:declare )?(?:class|interface|type) ${type}\\b(<[\\w, ]+>)?(.)`, 'm')
    const found = declared.exec(text)
    if (found !== null) {
      if (found[2] === '<') throw new Error(`the parameters of ${type} are not plain names`)
      return found[1] ?? ''
    }
    for (const [, list, path] of text.matchAll(/^(?:import|export)(?: type)? \{([^}]+)\} from '(\.[^']+)\.ts';/gm)) {
      if (list.split(',').some((item) => item.trim() === type)) return parametersOf(type, join(dirname(name), path))
    }
    return undefined
  }
}

function exportedNames(text) {
  const lists = [...text.matchAll(/^export (?:type )?\{([^}]+)\}/gm)].flatMap(([, list]) => list.split(','))
  const declared = [...text.matchAll(/^export (?:declare )?(?:class|interface|type) (\w+)/gm)].map(([, name]) => name)
  return [...new Set([...lists.map((item) => item.trim()), ...declared])].filter((name) => name !== '')
}
