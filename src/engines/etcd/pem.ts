/**
 * Checks certificates and keys when the engine is created. OpenSSL ignores what isn't PEM, so without this a path in place of a file's content would
 * look like a server that cannot be reached.
 */
import { createPrivateKey, X509Certificate } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { createSecureContext } from 'node:tls'
import { isError } from '../../errors.ts'

/** Each as PEM. */
export interface Pem {
  readonly ca?: Buffer
  readonly cert?: Buffer
  readonly key?: Buffer
}

const CERTIFICATE = /-----BEGIN (X509 |TRUSTED )?CERTIFICATE-----[^-]*-----END \1CERTIFICATE-----/g
const LONGEST_PATH = 4096

/** No message repeats the value: it may be a key. @throws TypeError that names the option. */
export function checkPem({ ca, cert, key }: Pem): void {
  if (ca !== undefined) parseCertificates('ca', ca)
  const own = cert === undefined ? undefined : parseCertificates('cert', cert)
  const privateKey = key === undefined ? undefined : parseKey(key)
  if (own === undefined && privateKey !== undefined) throw new TypeError('options.tls.key needs options.tls.cert')
  if (own !== undefined && privateKey === undefined) throw new TypeError('options.tls.cert needs options.tls.key')
  if (own !== undefined && privateKey !== undefined && !own.checkPrivateKey(privateKey)) {
    throw new TypeError('options.tls.key is not the key of the (first) certificate in options.tls.cert')
  }
  try {
    // OpenSSL refuses other things, too, such as a key that is too short.
    createSecureContext({ ca, cert, key })
  } catch (cause) {
    throw new TypeError(`options.tls cannot be used: ${messageOf(cause)}`, { cause })
  }
}

/** Returns the first certificate. */
function parseCertificates(name: 'ca' | 'cert', pem: Buffer): X509Certificate {
  const text = pem.toString('latin1')
  const [first, ...rest] = (text.match(CERTIFICATE) ?? []).map((block) => {
    try {
      return new X509Certificate(block)
    } catch (cause) {
      throw new TypeError(`options.tls.${name} has a certificate that cannot be read: ${messageOf(cause)}`, { cause })
    }
  })
  const isWhole = text.split(/-----BEGIN (?:X509 |TRUSTED )?CERTIFICATE-----/).length === rest.length + 2
  if (first === undefined || !isWhole) throw notPem(name, text, 'certificate')
  return first
}

function parseKey(pem: Buffer): KeyObject {
  const text = pem.toString('latin1')
  if (!/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(text)) throw notPem('key', text, 'private key')
  if (/-----BEGIN ENCRYPTED|Proc-Type: 4,ENCRYPTED/.test(text)) {
    throw new TypeError('options.tls.key is encrypted: decrypt it first')
  }
  try {
    return createPrivateKey(pem)
  } catch (cause) {
    throw new TypeError(`options.tls.key cannot be read: ${messageOf(cause)}`, { cause })
  }
}

function notPem(name: 'ca' | 'cert' | 'key', text: string, wanted: string): TypeError {
  const label = /-----BEGIN ([A-Z0-9 ]{1,50})-----/.exec(text)?.[1]
  const isPath = text.length <= LONGEST_PATH && /^[^\n]*(?:[/\\][^\n]*|\.(?:pem|crt|cer|key))\n?$/.test(text)
  let seen = 'it has no line that begins with -----BEGIN'
  if (label !== undefined) seen = `it has a ${label}, or a part of one`
  else if (isPath) seen = 'it looks like a path: read the file first (fs.readFileSync)'
  return new TypeError(`options.tls.${name} must be a ${wanted} as PEM; ${seen}`)
}

function messageOf(error: unknown): string {
  return isError(error) ? error.message : String(error)
}
