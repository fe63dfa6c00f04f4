import { testLocal } from './local-suite.ts'

testLocal({ lingerMs: 0, rounds: 200 })
testLocal({ lingerMs: 100, rounds: 200 })
