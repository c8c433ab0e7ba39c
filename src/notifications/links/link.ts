import type { Category } from '../model.ts'

/** What a link in a message lets its reader do: change their own preferences, and switch off what it names at once. */
export interface PreferenceLink {
  readonly tenant: string
  readonly user: string
  /** What unsubscribing switches off; e-mail as a whole without category and workflow. */
  readonly category?: string | undefined
  readonly workflow?: string | undefined
}

/** The token of a link: tenant, what it is for, and their HMAC. It has no end, since links in old mails have to go on working. */
export async function signLink(secret: string, { tenant, user, category, workflow }: PreferenceLink): Promise<string> {
  const signed = `${tenant}.${toBase64Url(encoder.encode(JSON.stringify({ u: user, c: category, w: workflow })))}`
  return `${signed}.${toBase64Url(new Uint8Array(await crypto.subtle.sign('HMAC', await keyOf(secret), bytesOf(signed))))}`
}

/** The tenant that a token names; nothing of it has been checked. */
export const tenantOfLink = (token: string): string => token.slice(0, Math.max(0, token.indexOf('.')))

/** What a token is for; undefined unless it was signed with this secret. */
export async function readLink(secret: string, token: string): Promise<PreferenceLink | undefined> {
  const [tenant, payload, signature, ...rest] = token.split('.')
  if (tenant === undefined || payload === undefined || signature === undefined || rest.length > 0) return undefined
  const [given, said] = [fromBase64Url(signature), fromBase64Url(payload)]
  if (given === undefined || said === undefined) return undefined
  const isOurs = await crypto.subtle.verify('HMAC', await keyOf(secret), given, bytesOf(`${tenant}.${payload}`))
  if (!isOurs) return undefined
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- signed by this system
  const { u, c, w } = JSON.parse(new TextDecoder().decode(said)) as { u: string; c?: string; w?: string }
  return { tenant, user: u, category: c, workflow: w }
}

/** Where the page of preferences and the one-click address of a token are. */
export const linkUrls = (publicUrl: string, token: string) => ({
  preferences: `${publicUrl}/preferences/${token}`,
  unsubscribe: `${publicUrl}/unsubscribe/${token}`,
})

/**
 * Headers of an e-mail by which mail programs unsubscribe with one click (RFC 2369, RFC 8058). None for a mandatory category, which cannot
 * be switched off. Both headers have to be covered by the DKIM signature, which providers see to.
 */
export function unsubscribeHeaders(
  publicUrl: string,
  token: string,
  category: Category | undefined,
): Readonly<Record<string, string>> {
  if (category?.isMandatory === true) return {}
  return {
    'List-Unsubscribe': `<${linkUrls(publicUrl, token).unsubscribe}>`,
    'List-Unsubscribe-Post': 'List-Unsubscribe=One-Click',
  }
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
