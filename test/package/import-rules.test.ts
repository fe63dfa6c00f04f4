// Imports go down only. The floors, lowest first: errors, core, requests, engines, API; and compat, testing and cli.
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, posix, sep } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

const SRC = fileURLToPath(new URL('../../../src', import.meta.url))

/** Files of one floor may import each other, unless a further rule says no. */
const FLOORS: readonly (readonly [pattern: RegExp, floor: number])[] = [
  [/^(errors|debug|lock-state|real-time|thread-identity|later)\.ts$/, 0],
  [/^core\//, 1],
  [/^requests\//, 2],
  [/^engines\//, 3],
  [
    /^(acquire|break-lock|slocket|lock|lock-request|lock-traces|downgrade|holder-look|holding|own-place|self-wait-warning|timeout-error|wait-notices|diagnostics|options|option-hints|index)\.ts$|^(calls|sync|web-locks)\//,
    4,
  ],
  [/^(compat|testing|cli)\//, 5],
]

interface Source {
  /** Relative to src/, with slashes. */
  readonly path: string
  /** Without comments and regular expressions; a number for each string. */
  readonly code: string
  readonly imports: readonly string[]
  /** Those of `imports` that more than types are imported from. */
  readonly values: ReadonlySet<string>
}

const COMMENT = String.raw`\/\/.*|\/\*[^]*?\*\/`
const REGEX = String.raw`(?<=(?:[=(,:;!&|?{}[]|=>|\breturn)\s*)\/(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n[])+\/[a-z]*`
const STRING = String.raw`'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"`
const TEMPLATE = '`(?:\\\\[^]|[^`\\\\])*`'
const TOKEN = new RegExp([COMMENT, REGEX, STRING, TEMPLATE].join('|'), 'g')

const sources = readSources()

test('every file in src/ is on a floor', () => {
  assert.ok(sources.size > 10, `only ${sources.size} files were found`)
  for (const { path } of sources.values()) assert.notEqual(floorOf(path), undefined, `${path} is on no floor`)
})

test('every relative import names a file of src/', () => {
  for (const [{ path }, target] of relativeImports()) assert.ok(sources.has(target), `${path} imports ${target}`)
})

test('imports go down only', () => {
  for (const [{ path }, target] of relativeImports()) {
    const isDown = Number(floorOf(target)) <= Number(floorOf(path))
    assert.ok(isDown, `${path} imports ${target}, which is on a higher floor`)
  }
})

test('engines never import each other', () => {
  for (const [{ path }, target] of relativeImports()) {
    const [from, to] = [engineOf(path), engineOf(target)]
    assert.ok(from === undefined || to === undefined || from === to, `${path} imports ${target}`)
  }
})

test('below compat/, testing/ and cli/, only index.ts, and modules of threads, import a concrete engine', () => {
  for (const [{ path }, target] of relativeImports()) {
    const isAllowed = /^(index|sync\/worker-thread)\.ts$|^(engines|compat|testing|cli)\//.test(path)
    assert.ok(isAllowed || engineOf(target) === undefined, `${path} imports ${target}`)
  }
})

test("only engines and the command import node:net; and node:fs, apart from the drop-ins and the thread's check", () => {
  for (const { path, imports } of sources.values()) {
    if (/^(engines|cli)\//.test(path)) continue
    if (/^(compat|sync)\//.test(path)) {
      assert.ok(!imports.includes('node:net'), path)
      continue
    }
    const found = imports.filter((name) => /^(node:)?(net|fs)(\/|$)/.test(name))
    assert.deepEqual(found, [], path)
  }
})

/** The clients of the engines' servers: users install them, and the first lock loads them. */
const CLIENTS: readonly (readonly [engine: string, packages: RegExp])[] = [
  ['etcd', /^@grpc\/(grpc-js|proto-loader)$/],
  ['postgres', /^pg$/],
  ['redis', /^(redis|ioredis|iovalkey)$/],
]

test('only relative files and node: modules are imported, and the client of its server by an engine', () => {
  for (const { path, imports } of sources.values()) {
    const client = CLIENTS.find(([engine]) => engine === engineOf(path))?.[1]
    const found = imports.filter((name) => !/^(node:|\.\.?\/)/.test(name) && client?.test(name) !== true)
    assert.deepEqual(found, [], path)
  }
})

test('core/ is pure: no node: module, clock, random number, timer or promise', () => {
  const impure =
    /\b(Date|performance|process|crypto|Promise|async|await|setTimeout|setInterval|setImmediate|queueMicrotask)\b|\bMath\s*\.\s*random\b/
  for (const { path, code, imports } of sources.values()) {
    if (!path.startsWith('core/')) continue
    assert.deepEqual(
      imports.filter((name) => name.startsWith('node:')),
      [],
      path,
    )
    assert.equal(impure.exec(code)?.[0], undefined, path)
  }
})

test('there is no import cycle, except for types in the same folder', () => {
  const done = new Set<string>()
  const visit = (path: string, trail: readonly string[]): void => {
    assert.ok(!trail.includes(path), `a cycle: ${[...trail, path].join(' -> ')}`)
    if (done.has(path)) return
    for (const [name, target] of targetsOf(path)) {
      const isErased = dirname(target) === dirname(path) && sources.get(path)?.values.has(name) !== true
      if (!isErased) visit(target, [...trail, path])
    }
    done.add(path)
  }
  for (const path of sources.keys()) visit(path, [])
})

function readSources(): ReadonlyMap<string, Source> {
  const found = new Map<string, Source>()
  for (const name of readdirSync(SRC, { recursive: true, encoding: 'utf8' })) {
    const path = name.split(sep).join('/')
    if (path.endsWith('.ts')) found.set(path, parseSource(path, readFileSync(join(SRC, name), 'utf8')))
  }
  return found
}

function parseSource(path: string, text: string): Source {
  const strings: string[] = []
  const code = replaceLiterals(text, strings)
  const stray = /.*['"`].*/.exec(code)
  if (stray !== null) throw new Error(`${path} cannot be read by this test: ${stray[0]}`)
  const namesIn = (part: string): string[] =>
    [...part.matchAll(/\b(?:from|import|require)\s*\(?\s*<(\d+)>/g)].map((match) => strings[Number(match[1])] ?? '')
  const values = namesIn(code.replace(/\b(?:import|export)\s+type\s*(?:\w+|\{[^}]*\})\s*from\s*<\d+>/g, ''))
  return { path, code, imports: namesIn(code), values: new Set(values) }
}

/** Drops comments and regular expressions, and puts each string into `strings`, so that none of them passes for code. */
function replaceLiterals(text: string, strings: string[]): string {
  return text.replace(TOKEN, (token) => {
    if (token.startsWith('/')) return ' '
    strings.push(token.slice(1, -1))
    const expressions = token.startsWith('`')
      ? [...token.matchAll(/\$\{([^{}]*)\}/g)].map((match) => match[1] ?? '')
      : []
    return [`<${strings.length - 1}>`, ...expressions.map((code) => replaceLiterals(code, strings))].join(' ')
  })
}

function* relativeImports(): Generator<readonly [source: Source, target: string]> {
  for (const source of sources.values()) for (const [, target] of targetsOf(source.path)) yield [source, target]
}

/** What the relative imports of a file name, and which files those are. */
function targetsOf(path: string): (readonly [name: string, target: string])[] {
  const relative = sources.get(path)?.imports.filter((name) => name.startsWith('.')) ?? []
  return relative.map((name) => [name, posix.join(dirname(path), name)])
}

function floorOf(path: string): number | undefined {
  return FLOORS.find(([pattern]) => pattern.test(path))?.[1]
}

function engineOf(path: string): string | undefined {
  return /^engines\/([^/]+)\//.exec(path)?.[1]
}
