// Serves a directory on 127.0.0.1, at a path of its own: as GitHub Pages does, but for this process only.
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { extname, join, normalize } from 'node:path'

const TYPES = {
  '.css': 'text/css',
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.json': 'application/json',
  '.svg': 'image/svg+xml',
}

/** Resolves with the server and its address, such as `http://127.0.0.1:40000/slocket/`. */
export async function serve(directory, base) {
  const server = createServer((request, response) => {
    const body = fileAt(directory, base, decodeURI(new URL(request.url, 'http://localhost').pathname))
    response.statusCode = body === undefined ? 404 : 200
    response.setHeader('content-type', body?.type ?? 'text/plain')
    response.end(body?.bytes ?? 'not found')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { server, address: `http://127.0.0.1:${server.address().port}${base}` }
}

function fileAt(directory, base, path) {
  if (!path.startsWith(base)) return undefined
  const asked = normalize(`/${path.slice(base.length)}`)
  const file = asked.endsWith('/') ? `${asked}index.html` : asked
  try {
    return { bytes: readFileSync(join(directory, file)), type: TYPES[extname(file)] ?? 'application/octet-stream' }
  } catch {
    return undefined
  }
}
