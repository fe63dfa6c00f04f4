// Imports one module, or none, and reports the memory of the process.
const [specifier] = process.argv.slice(2)
if (specifier !== undefined) await import(specifier)
process.stdout.write(String(process.memoryUsage.rss()))
