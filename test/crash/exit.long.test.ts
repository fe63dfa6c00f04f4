// The kinds of end that exit.test.ts has in one order only.
import { ENDS, testFormerFirst } from './exit-suite.ts'

for (const kind of ENDS.filter(({ name }) => name !== 'process.exit' && name !== 'SIGTERM')) testFormerFirst(kind)
