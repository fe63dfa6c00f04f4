/** `slocket status --json` is what docs/status.schema.json says, for locks of every kind; and named locks are found in their root. */
import assert from 'node:assert/strict'
import fs from 'node:fs'
import { afterEach, beforeEach, test } from 'node:test'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { programPath } from '../helpers/built.ts'
import { SLOCKET, Workplace } from '../helpers/command.ts'
import { untilWaiting } from '../helpers/lock-directory.ts'
import { untilStopped } from '../helpers/proc.ts'
import { until } from '../helpers/until.ts'

const HOLD = ['sh', '-c', 'echo pid $$; read line <fifo']
const SCHEMA = JSON.parse(
  fs.readFileSync(fileURLToPath(new URL('../../../docs/status.schema.json', import.meta.url)), 'utf8'),
) as Schema
const INDEX = pathToFileURL(programPath('src/index.js')).href

let place: Workplace
beforeEach(() => (place = new Workplace()))
afterEach(() => place.close())

/** As much of JSON Schema as that file uses. */
interface Schema {
  readonly $ref?: string
  readonly $defs?: Readonly<Record<string, Schema>>
  readonly type?: 'array' | 'object' | 'string' | 'integer' | 'boolean'
  readonly items?: Schema
  readonly properties?: Readonly<Record<string, Schema>>
  readonly required?: readonly string[]
  readonly additionalProperties?: false
  readonly enum?: readonly string[]
  readonly pattern?: string
  readonly minimum?: number
}

const KEYWORDS: ReadonlySet<string> = new Set(
  '$schema $ref $defs title description type items properties required additionalProperties enum pattern minimum'.split(
    ' ',
  ),
)

/** Where the value is not what the schema says. */
function faultsOf(value: unknown, schema: Schema, at: string = ''): string[] {
  assert.deepEqual(
    Object.keys(schema).filter((keyword) => !KEYWORDS.has(keyword)),
    [],
  )
  if (schema.$ref !== undefined) return faultsOf(value, SCHEMA.$defs![schema.$ref.replace('#/$defs/', '')]!, at)
  if (schema.type === 'array')
    return Array.isArray(value)
      ? value.flatMap((item, index) => faultsOf(item, schema.items!, `${at}/${index}`))
      : [`${at} is no array`]
  if (schema.type === 'object') return faultsOfObject(value as Record<string, unknown>, schema, at)
  if (schema.type === 'integer')
    return Number.isInteger(value) && Number(value) >= schema.minimum! ? [] : [`${at} is no integer`]
  // oxlint-disable-next-line valid-typeof -- the types of the schema that are left are names that typeof gives
  if (typeof value !== schema.type) return [`${at} is no ${schema.type}`]
  const isListed = schema.enum === undefined || schema.enum.includes(String(value))
  const isMatched = schema.pattern === undefined || new RegExp(schema.pattern).test(String(value))
  return isListed && isMatched ? [] : [`${at} must not be ${String(value)}`]
}

function faultsOfObject(
  value: Record<string, unknown>,
  { properties, required, additionalProperties }: Schema,
  at: string,
): string[] {
  assert.equal(additionalProperties, false)
  const missing = required!.filter((name) => !(name in value)).map((name) => `${at}/${name} is missing`)
  const others = Object.entries(value).flatMap(([name, of]) =>
    properties![name] === undefined ? [`${at}/${name} is unknown`] : faultsOf(of, properties![name], `${at}/${name}`),
  )
  return [...missing, ...others]
}

interface Shown {
  readonly lock: string
  readonly root?: string
  readonly held: readonly { readonly pid: number; readonly mode: string; readonly answers: boolean }[]
  readonly waiting: readonly { readonly pid: number }[]
}

/** As the schema has it. */
async function statusOf(...words: string[]): Promise<Shown[]> {
  const { stdout } = await place.runSlocket('status', '--json', ...words)
  const shown = JSON.parse(stdout) as Shown[]
  assert.deepEqual(faultsOf(shown, SCHEMA), [])
  return shown
}

test('the schema matches held, waited-for, stopped, permit, blocked, missing and free locks', async () => {
  const holder = place.slocket('run', '--label', 'nightly', 'L', '--', ...HOLD)
  await holder.says(/pid/)
  const waiter = place.slocket('run', '-s', 'L', '--', 'true')
  await untilWaiting(place.path('L'), 1, waiter.pid)
  const permit = place.slocket('run', '-p', '3', 'P', '--', ...HOLD)
  await permit.says(/pid/)
  permit.kill('SIGSTOP')
  await untilStopped(permit.pid)
  fs.writeFileSync(place.path('file'), '')
  const shown = await statusOf('L', 'P', 'file', 'missing/L', 'free')
  assert.deepEqual(
    shown.map(({ lock, held, waiting }) => [lock, held.length, waiting.length]),
    [
      ['L', 1, 1],
      ['P', 1, 0],
      ['file', 0, 0],
      ['missing/L', 0, 0],
      ['free', 0, 0],
    ],
  )
  assert.deepEqual([shown[1]!.held[0]!.answers, 'error' in shown[3]!, 'obstacle' in shown[2]!], [false, true, true])
  permit.kill('SIGCONT')
})

test('the schema matches nothing else', () => {
  const good = {
    lock: 'L',
    held: [{ mode: 'shared', pid: 1, since: '2026-01-01T00:00:00.000Z', answers: true }],
    waiting: [],
  }
  assert.deepEqual(faultsOf([good], SCHEMA), [])
  for (const bad of [
    { ...good, held: [{ mode: 'other', pid: 1, answers: true }] },
    { ...good, held: [{ mode: 'shared', pid: 0, answers: true }] },
    { ...good, held: [{ mode: 'shared', pid: 1, since: 'today', answers: true }] },
    { ...good, held: [{ mode: 'shared', pid: 1 }] },
    { ...good, more: 1 },
    { ...good, error: 'ENOENT' },
    { held: [], waiting: [] },
  ])
    assert.notDeepEqual(faultsOf([bad], SCHEMA), [])
})

test('named locks are grouped by their root, with their own names', async () => {
  const names = ['ledger', '', 'Schloß/🔒', 'n'.repeat(300)]
  const program = `
    import { LockManager } from ${JSON.stringify(INDEX)}
    const locks = new LockManager({ root: 'names' })
    const hold = (name) => new Promise((resolve) => {
      locks.request(name, () => { resolve(); return new Promise(() => {}) })
    })
    for (const name of ${JSON.stringify(names)}) await hold(name)
    locks.request('ledger', () => {})
    console.log('pid', process.pid)
    setInterval(() => {}, 1e6)`
  const holder = place.start([process.execPath, '--input-type=module', '-e', program])
  await holder.says(/pid/)
  await place.slocket('run', 'L', '--', ...HOLD).says(/pid/)
  const shown = await until('all answer', async () => {
    const found = await statusOf()
    return found.every(({ held }) => held.every(({ answers }) => answers)) && found
  })
  assert.deepEqual(
    shown.map(({ lock, root, held, waiting }) => [root, lock, held.length, waiting.length]),
    [[undefined, 'L', 1, 0], ...names.sort().map((name) => ['names', name, 1, name === 'ledger' ? 1 : 0])],
  )
  assert.deepEqual((await statusOf('names')).length, names.length)
  const { stdout } = await place.runSlocket('status')
  assert.match(
    stdout,
    /\nL +holds [^\n]*\nnamed locks in names:\n {2}'' +holds .*\n {2}Schloß\/🔒 +holds .*\n {2}ledger +holds .*\n +waits /,
  )

  holder.kill('SIGSTOP')
  await untilStopped(holder.pid)
  const stopped = (await statusOf('names')).find(({ lock }) => lock === 'ledger')!
  assert.deepEqual(
    stopped.held.map((one) => [one.pid, one.answers, (one as { processes?: { pid: number }[] }).processes?.[0]?.pid]),
    [[holder.pid, false, holder.pid]],
  )
  holder.kill('SIGCONT')
  place.end()
})

test('status acquires no lock in a root, and creates nothing', async () => {
  fs.mkdirSync(place.path('names/.members'), { recursive: true })
  const before = fs.readdirSync(place.path('names'), { recursive: true })
  const { status, stdout } = await place.run([...SLOCKET, 'status', 'names'])
  assert.deepEqual([status, stdout.split('\n')[1]], [0, 'names  free'])
  assert.deepEqual(fs.readdirSync(place.path('names'), { recursive: true }), before)
})
