// The system errors that faults.test.ts leaves out.
import { testFaults } from './faults-suite.ts'

for (const code of ['EACCES', 'ENOSPC', 'EROFS', 'EPERM'] as const) testFaults(code)
