// Preloaded by test.js into each test process: ends that process, as a failure, if a test (or a handle that the tests
// left open) keeps it alive for longer than the limit without a further test being started.
//
// node:test cannot do this alone: the `timeout` of run() limits a file on Node 20 and 22, but each test on Node 24 and
// 26, where a leaked handle then keeps the run alive forever (measured on Node 20.20, 22.23, 24.21 and 26.10).
import { writeSync } from 'node:fs'
import { beforeEach } from 'node:test'
import { clearTimeout, setTimeout } from 'node:timers'
import { isMainThread } from 'node:worker_threads'

// Only for this process, not for those that the tests start.
process.env.NODE_OPTIONS = process.env.NODE_OPTIONS?.replace(`--import=${import.meta.url}`, '').trim() ?? ''
if (process.env.NODE_OPTIONS === '') delete process.env.NODE_OPTIONS

if (isMainThread) {
  const seconds = Number(new URL(import.meta.url).searchParams.get('seconds'))
  const file = process.argv[1] ?? 'a test file'
  let doing = 'loading'
  let timer = arm()
  beforeEach((test) => {
    doing = `since the start of "${test.fullName ?? test.name}"`
    clearTimeout(timer)
    timer = arm()
  })

  // Unref'd: a process that has nothing left to do ends as usual. Real timers, even if a test mocks the global ones.
  function arm() {
    return setTimeout(() => {
      const alive = process.getActiveResourcesInfo().join(', ')
      writeSync(2, `\n${file}: ${seconds} s have passed, ${doing}; what keeps it alive: ${alive}\n`)
      process.exit(1)
    }, seconds * 1000).unref()
  }
}
