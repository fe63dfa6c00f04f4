// Few rounds of each race: local.long.test.ts has more of them.
import { testLocal } from './local-suite.ts'

testLocal({ lingerMs: 0, rounds: 10 })
testLocal({ lingerMs: 100, rounds: 20 })
