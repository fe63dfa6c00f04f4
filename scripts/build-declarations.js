// Makes the package's declarations from those that tsc wrote, for scripts/build-dist.js.
//
// A module's declarations are one file, *.d.cts, for `import` and `require` alike, so that a class is one type in a project that uses both.
// Only what the exports lead to is kept. If an export has a default export, `require` returns that: NAME.d.cts says so with `export =`,
// and NAME.exports.d.cts has the declarations. A class that is exported as `default` and by its name is an exception: `require` returns an object with both. All syntax is that of TypeScript 5.0.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'

/** The specifier of a module of this package, as tsc writes it. */
const SPECIFIER = /((?:from|import\() ?')(\.[^']+)\.ts'/g

/** @param entries names without extensions, relative to both directories. */
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
      const [, ownClass] = /^export \{ (\w+) as default \}/m.exec(modules.get(name)) ?? []
      const byName = ownClass === undefined ? '' : `export { ${ownClass} as default } from './${file}.cjs'\n`
      write(`${name}.d.mts`, `export * from './${file}.cjs'\n${byName}`)
      continue
    }
    const { type } = defaultOf(name)
    write(
      `${name}.d.mts`,
      `import type { ${type} } from './${file}.exports.cjs'\ndeclare const all: ${type}\nexport default all\nexport * from './${file}.exports.cjs'\n`,
    )
    write(`${name}.d.cts`, callable(name))
  }

  /** The name of the default export, and of its type, an interface. */
  function defaultOf(name) {
    const text = modules.get(name)
    const value = /^export default (\w+);/m.exec(text)[1]
    return { value, type: new RegExp(`^declare const ${value}: (\\w+);`, 'm').exec(text)[1] }
  }

  /**
   * The default export as a function, and a namespace with its properties and the types. These are exported again, not declared again:
   * if a library exports something that it got from this package, tsc must find the same declaration under the package's name.
   */
  function callable(name) {
    const { value, type } = defaultOf(name)
    const exported = exportedNames(modules.get(name))
    const calls = []
    const methods = []
    for (const { doc, property, signature } of membersOf(type, name)) {
      if (property === '') calls.push(`${doc}declare function ${value}${signature}\n`)
      else if (property !== 'default' && !exported.includes(property))
        methods.push({
          property,
          text: `${doc}declare ${signature.startsWith(':') ? 'const' : 'function'} ${property}_${signature}\n`,
        })
    }
    const own = new Set(methods.map(({ property }) => `${property}_ as ${property}`))
    return [
      `import { ${exported.join(', ')} } from './${basename(name)}.exports.cjs'\n`,
      ...calls,
      ...methods.map(({ text }) => text),
      `declare namespace ${value} {\n  export { ${value} as default, ${[...own, ...exported].join(', ')} }\n}\n`,
      `export = ${value}\n`,
    ].join('')
  }

  /** The members of an interface, and of the interface that it extends, as tsc writes them. A call has no name. */
  function membersOf(type, name) {
    const text = modules.get(name)
    const found = new RegExp(`^export interface ${type}(?: extends (\\w+))? \\{\\n(.*?)^\\}`, 'ms').exec(text)
    if (found === null) {
      for (const [, list, path] of text.matchAll(/^import type \{([^}]+)\} from '(\.[^']+)\.ts';/gm))
        if (list.split(',').some((item) => item.trim() === type)) return membersOf(type, join(dirname(name), path))
      throw new Error(`no interface ${type} in ${name}`)
    }
    const [, base, body] = found
    const members = [
      ...body.matchAll(
        /^(?<doc>(?: {4}\/\*\*(?:(?!\*\/).)*\*\/\n)?) {4}(?:readonly )?(?<property>\w*)(?<signature>[^\n]*;)$/gms,
      ),
    ]
    const own = members.map(({ groups }) => ({ ...groups, doc: groups.doc.replaceAll(/^ {4}/gm, '') }))
    return [...own, ...(base === undefined ? [] : membersOf(base, name))]
  }
}

function exportedNames(text) {
  const lists = [...text.matchAll(/^export (?:type )?\{([^}]+)\}/gm)].flatMap(([, list]) => list.split(','))
  const declared = [...text.matchAll(/^export (?:declare )?(?:class|interface|type|const|function) (\w+)/gm)].map(
    ([, name]) => name,
  )
  return [...new Set([...lists.map((item) => item.trim()), ...declared])].filter((name) => name !== '')
}
