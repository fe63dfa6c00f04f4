// Requires one thing, or nothing.
const [specifier] = process.argv.slice(2)
if (specifier !== undefined) require(specifier)
