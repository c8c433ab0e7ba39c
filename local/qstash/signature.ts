import { createHash, createHmac, randomUUID } from 'node:crypto'

/** The lifetime of a signature. Each attempt has a new one. */
const LIFETIME_S = 300

export interface Signed {
  /** The destination exactly as published: receivers compare it byte for byte. */
  url: string
  body: Uint8Array
  /** The signing key; its UTF-8 bytes are the HMAC key. */
  key: string
  /** Unix milliseconds. */
  now: number
}

/** The `Upstash-Signature` of one attempt: an HS256 JWT over the destination and the hash of the body. */
export function sign({ url, body, key, now }: Signed): string {
  const seconds = Math.floor(now / 1000)
  const claims = {
    iss: 'Upstash',
    sub: url,
    exp: seconds + LIFETIME_S,
    nbf: seconds,
    iat: seconds,
    jti: `jwt_${randomUUID().replaceAll('-', '')}`,
    body: paddedHash(body),
  }
  const unsigned = `${encode({ alg: 'HS256', typ: 'JWT' })}.${encode(claims)}`
  return `${unsigned}.${createHmac('sha256', key).update(unsigned).digest('base64url')}`
}

const encode = (part: object) => Buffer.from(JSON.stringify(part)).toString('base64url')

/** The service keeps the `=` of base64url, and receivers in other languages compare it unchanged. */
const paddedHash = (body: Uint8Array) => `${createHash('sha256').update(body).digest('base64url')}=`
