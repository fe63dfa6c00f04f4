// Imports one thing, or nothing, and says what memory the process has then.
const [specifier] = process.argv.slice(2)
if (specifier !== undefined) await import(specifier)
process.stdout.write(String(process.memoryUsage.rss()))
