// What the other files here test between processes, between worker threads of one process.
process.env['SLOCKET_TEST_WEB_CLIENTS'] = 'threads'

await import('./between.long.test.ts')
await import('./death.test.ts')
await import('./query.test.ts')
await import('./query.long.test.ts')
await import('./steal.test.ts')
