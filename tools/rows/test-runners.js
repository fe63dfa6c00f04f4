// What runs tests: each runs programs/body.js as a test, and again with faked timers if it can fake them.
import assert from 'node:assert/strict'
import { commandOf } from '../project.js'

export const rows = [
  { name: 'jest-29-cjs', run: (open) => jest(open, 'jest29', 'cjs') },
  { name: 'jest-29-esm', run: (open) => jest(open, 'jest29', 'esm') },
  { name: 'jest-30-cjs', run: (open) => jest(open, 'jest30', 'cjs') },
  { name: 'jest-30-esm', run: (open) => jest(open, 'jest30', 'esm') },
  // The tests use what was required before Jest forgot all modules: what slocket loads later must still fit.
  {
    name: 'jest-30-reset-modules',
    run: (open) => jest(open, 'jest30', 'cjs', { config: { resetModules: true }, more: ['jest-classes.js'], count: 7 }),
  },
  { name: 'vitest-forks', run: (open) => vitest(open, 'forks') },
  { name: 'vitest-threads', run: (open) => vitest(open, 'threads') },
  {
    name: 'mocha-cjs',
    async run(open) {
      const project = await open()
      await project.writeProgram('slocket.test.cjs', 'head.cjs', 'body.js', 'mocha.js')
      await runTests(project, 'passing', commandOf('mocha'), '--timeout', '60000', 'slocket.test.cjs')
    },
  },
  {
    name: 'mocha-esm',
    async run(open) {
      const project = await open()
      await project.writeProgram('slocket.test.mjs', 'head.mjs', 'body.js', 'mocha.mjs')
      await runTests(project, 'passing', commandOf('mocha'), '--timeout', '60000', 'slocket.test.mjs')
    },
  },
  {
    name: 'node-test-cjs',
    async run(open) {
      const project = await open()
      await project.writeProgram('slocket.test.cjs', 'head.cjs', 'body.js', 'node-test.cjs')
      await runTests(project, '# pass 2', '--test', '--test-reporter=tap', 'slocket.test.cjs')
    },
  },
  {
    name: 'node-test-esm',
    async run(open) {
      const project = await open()
      await project.writeProgram('slocket.test.mjs', 'head.mjs', 'body.js', 'node-test.mjs')
      await runTests(project, '# pass 2', '--test', '--test-reporter=tap', 'slocket.test.mjs')
    },
  },
]

/** Without open handles, and ended by itself. @param more are further parts of the program. @param count is how many tests it has. */
async function jest(open, version, format, { config = {}, more = [], count = 2 } = {}) {
  const isModule = format === 'esm'
  const project = await open({ manifest: { type: isModule ? 'module' : 'commonjs' } })
  const parts = isModule ? ['head.mjs', 'jest-globals.mjs'] : ['head.cjs']
  await project.writeProgram('slocket.test.js', ...parts, 'body.js', 'jest.js', ...more)
  await project.write('jest.config.json', JSON.stringify(isModule ? { transform: {}, ...config } : config))
  const flags = isModule ? ['--experimental-vm-modules', '--no-warnings'] : []
  const passed = `${count} passed`
  const said = await runTests(project, passed, ...flags, commandOf(version, 'jest'), '--ci', '--detectOpenHandles')
  assert.doesNotMatch(said, /open handle|did not exit|force exit/i)
}

async function vitest(open, pool) {
  const project = await open({ manifest: { type: 'module' } })
  await project.link('vitest')
  await project.writeProgram('slocket.test.js', 'head.mjs', 'body.js', 'vitest.mjs')
  const said = await runTests(project, '2 passed', commandOf('vitest'), 'run', `--pool=${pool}`)
  assert.doesNotMatch(said, /close timed out|unhandled/i)
}

/** Runs the tests. What is printed has to say how many passed. */
async function runTests(project, passed, ...parameters) {
  const { stdout, stderr } = await project.node(...parameters)
  const said = `${stdout}\n${stderr}`
  assert.ok(said.includes(passed), said)
  await project.checkNothingLeft()
  return said
}
