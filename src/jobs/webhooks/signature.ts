/**
 * Signatures of posts to endpoints by Standard Webhooks (standard-webhooks.com, spec v1): HMAC-SHA256 over
 * `id.timestamp.body`, one signature for each secret, so that a receiver recognizes one during a rotation.
 */
const prefix = 'whsec_'

/** A new secret: 32 random bytes; the specification asks for 24 to 64. */
export function newSigningSecret(): string {
  return prefix + toBase64(crypto.getRandomValues(new Uint8Array(32)))
}

/** The headers that sign a post; `now` in milliseconds. */
export async function signedHeaders(
  secrets: readonly string[],
  id: string,
  body: string,
  now: number,
): Promise<Record<string, string>> {
  const timestamp = String(Math.floor(now / 1000))
  const signatures = await Promise.all(secrets.map((secret) => sign(secret, `${id}.${timestamp}.${body}`)))
  return { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': signatures.join(' ') }
}

async function sign(secret: string, content: string): Promise<string> {
  const bytes = Uint8Array.from(atob(secret.slice(prefix.length)), (char) => char.charCodeAt(0))
  const key = await crypto.subtle.importKey('raw', bytes, { name: 'HMAC', hash: 'SHA-256' }, false, ['sign'])
  const digest = await crypto.subtle.sign('HMAC', key, new TextEncoder().encode(content))
  return `v1,${toBase64(new Uint8Array(digest))}`
}

const toBase64 = (bytes: Uint8Array): string => btoa(String.fromCharCode(...bytes))
