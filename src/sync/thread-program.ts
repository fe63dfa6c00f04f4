/**
 * What the thread of `slocket.sync` runs. In the package this module gives the code itself, which scripts/build-dist.js has put into
 * one string, so that nothing has to be found beside the program: bundles, archives and loader hooks have no such file.
 */
export function threadProgram(): string {
  const url = new URL('worker-thread.js', import.meta.url).href
  return `import(${JSON.stringify(url)}).then(({ serve }) => serve(workerData)).catch((error) => {
    fail(error)
    process.exit(1)
  })`
}
