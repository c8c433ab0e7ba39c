/** Calls of Parley to your endpoints: events of consumers, steps of sagas and jobs. They are signed by Standard Webhooks. */

/** A body whose signature is right. */
export interface SignedBody {
  /** `webhook-id`: the same for every attempt. */
  readonly id: string
  readonly text: string
}

interface VerifyOptions {
  /** Milliseconds since the epoch. */
  readonly now?: number
  /** How old, or how far ahead, the signature may be. */
  readonly toleranceSeconds?: number
}

/**
 * Reads a request and checks its signature against each secret (`whsec_…`): during a rotation there are two. Undefined when no
 * secret made it, or when it is too old; answer 401 then.
 */
export async function readSigned(
  request: Request,
  secrets: readonly string[],
  { now = Date.now(), toleranceSeconds = 300 }: VerifyOptions = {},
): Promise<SignedBody | undefined> {
  const id = request.headers.get('webhook-id')
  const timestamp = request.headers.get('webhook-timestamp')
  const signatures = (request.headers.get('webhook-signature') ?? '').split(' ').flatMap(signatureIn)
  const text = await request.text()
  if (id === null || timestamp === null || !/^\d{1,12}$/.test(timestamp)) return undefined
  if (Math.abs(now / 1000 - Number(timestamp)) > toleranceSeconds) return undefined
  const content = new TextEncoder().encode(`${id}.${timestamp}.${text}`)
  for (const secret of secrets) {
    const key = await keyOf(secret)
    for (const signature of signatures)
      if (await crypto.subtle.verify('HMAC', key, signature, content)) return { id, text }
  }
  return undefined
}

function signatureIn(part: string): Uint8Array<ArrayBuffer>[] {
  const [version, signature] = part.split(',', 2)
  const bytes = version === 'v1' && signature !== undefined ? fromBase64(signature) : undefined
  return bytes === undefined ? [] : [bytes]
}

async function keyOf(secret: string) {
  const bytes = fromBase64(secret.replace(/^whsec_/, ''))
  if (bytes === undefined) throw new Error('secrets: each must be whsec_ and base64, as Parley returns them')
  return await crypto.subtle.importKey('raw', bytes, { name: 'HMAC', hash: 'SHA-256' }, false, ['verify'])
}

function fromBase64(text: string): Uint8Array<ArrayBuffer> | undefined {
  try {
    return Uint8Array.from(atob(text), (char) => char.charCodeAt(0))
  } catch {
    return undefined
  }
}
