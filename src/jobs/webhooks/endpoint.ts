import { z } from 'zod'

/** Which endpoints this deployment allows. `ownHosts` are its own names, which jobs must not call. */
export interface EndpointRules {
  /** Loopback over plain http as well; for the local environment only. */
  readonly allowPrivate: boolean
  readonly ownHosts: readonly string[]
}

/** Characters of an endpoint's URL, at most. */
export const urlLength = 2048

/** What an `http` job is stored with: where to post, and the JSON text to post. */
export interface EndpointPost {
  readonly url: string
  readonly payload: string
}

const postShape = z.strictObject({ url: z.string(), payload: z.unknown() })

export const encodePost = ({ url, payload }: EndpointPost): string => `${postHead(url)}${payload}}`

/** Reads what `encodePost` wrote; the payload comes out byte for byte. Throws for a text that has no URL. */
export function readPost(text: string): EndpointPost {
  const { url, payload = null } = postShape.parse(JSON.parse(text))
  const head = postHead(url)
  return { url, payload: text.startsWith(head) ? text.slice(head.length, -1) : JSON.stringify(payload) }
}

const postHead = (url: string): string => `{"url":${JSON.stringify(url)},"payload":`

/** Names that no public server has (RFC 6761, RFC 6762, RFC 8375, and those inside of clouds). */
const privateSuffixes = [
  'localhost',
  'local',
  'internal',
  'intranet',
  'private',
  'corp',
  'home',
  'lan',
  'home.arpa',
  'test',
  'invalid',
  'onion',
  'arpa',
  'workers.dev',
]

/**
 * Why this URL must not be posted to, or undefined: protection against server-side request forgery. Allowed is https on port
 * 443 to a public name, without credentials. The URL parser normalizes every spelling of an IPv4 address (octal, hexadecimal,
 * one number), so that one pattern tells an address from a name. What a name resolves to is checked by the network: the
 * platform's egress reaches public addresses only.
 */
export function badEndpoint(text: string, { allowPrivate, ownHosts }: EndpointRules): string | undefined {
  if (text.length > urlLength) return `url: at most ${urlLength} characters`
  if (!URL.canParse(text)) return 'url: not a URL'
  const url = new URL(text)
  if (url.username !== '' || url.password !== '') return 'url: must not carry a user name or password'
  if (allowPrivate && isLoopback(url)) return undefined
  if (url.protocol !== 'https:') return 'url: must begin with https://'
  if (url.port !== '') return 'url: only port 443'
  return badHost(url.hostname.toLowerCase().replace(/\.+$/, ''), ownHosts)
}

function badHost(host: string, ownHosts: readonly string[]): string | undefined {
  if (host.startsWith('[') || /^\d+(?:\.\d+){3}$/.test(host)) return 'url: must have a name, not an address'
  if (!host.includes('.')) return `url: ${host || 'nothing'} is not a public name`
  const own = [...privateSuffixes, ...ownHosts].find((suffix) => host === suffix || host.endsWith(`.${suffix}`))
  return own === undefined ? undefined : `url: ${host} is not a public name`
}

function isLoopback({ protocol, hostname }: URL): boolean {
  const local = hostname === 'localhost' || hostname === '[::1]' || /^127(?:\.\d+){3}$/.test(hostname)
  return local && (protocol === 'http:' || protocol === 'https:')
}
