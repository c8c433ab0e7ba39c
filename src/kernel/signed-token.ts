/**
 * Tokens of links in messages: `<tenant>.<payload>.<HMAC>`. A purpose is signed with the rest, so that a token of one kind of links is none of
 * another.
 */
export async function signToken(secret: string, purpose: string, tenant: string, payload: object): Promise<string> {
  const text = `${tenant}.${toBase64Url(encoder.encode(JSON.stringify(payload)))}`
  const signature = await crypto.subtle.sign('HMAC', await keyOf(secret), bytesOf(purpose + text))
  return `${text}.${toBase64Url(new Uint8Array(signature))}`
}

/** The tenant that a token names; nothing of it has been checked. */
export const tenantOfLink = (token: string): string => token.slice(0, Math.max(0, token.indexOf('.')))

/** The payload of a token; undefined unless it was signed with this secret for this purpose. */
export async function readToken(secret: string, purpose: string, token: string): Promise<unknown> {
  const [tenant, payload, signature, ...rest] = token.split('.')
  if (tenant === undefined || payload === undefined || signature === undefined || rest.length > 0) return undefined
  const [given, said] = [fromBase64Url(signature), fromBase64Url(payload)]
  if (given === undefined || said === undefined) return undefined
  const text = `${tenant}.${payload}`
  const isOurs = await crypto.subtle.verify('HMAC', await keyOf(secret), given, bytesOf(purpose + text))
  return isOurs ? JSON.parse(new TextDecoder().decode(said)) : undefined
}

const encoder = new TextEncoder()
const bytesOf = (text: string): Uint8Array<ArrayBuffer> => Uint8Array.from(encoder.encode(text))

const keyOf = (secret: string): Promise<CryptoKey> =>
  crypto.subtle.importKey('raw', bytesOf(secret), { name: 'HMAC', hash: 'SHA-256' }, false, ['sign', 'verify'])

const toBase64Url = (bytes: Uint8Array): string =>
  btoa(String.fromCharCode(...bytes))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replace(/=+$/, '')

function fromBase64Url(text: string): Uint8Array<ArrayBuffer> | undefined {
  if (!/^[A-Za-z0-9_-]+$/.test(text)) return undefined
  try {
    return Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), (char) => char.charCodeAt(0))
  } catch {
    return undefined
  }
}
