/** Which addresses that a tenant names this deployment calls. `ownHosts` are its own names, which are not called. */
export interface EndpointRules {
  /** Loopback over plain http as well; for the local environment only. */
  readonly allowPrivate: boolean
  /** A development system, where `ALLOW_PRIVATE_ENDPOINTS=1` allows loopback: an error says so. */
  readonly isDevelopment: boolean
  readonly ownHosts: readonly string[]
}

/** Characters of a URL, at most. */
export const urlLength = 2048

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
 * Why this URL of a tenant must not be called, or undefined: protection against server-side request forgery. Allowed is https on port
 * 443 to a public name, without credentials. The URL parser normalizes every spelling of an IPv4 address (octal, hexadecimal,
 * one number), so that one pattern tells an address from a name. What a name resolves to is checked by the network: the
 * platform's egress reaches public addresses only.
 */
export function badEndpoint(
  text: string,
  { allowPrivate, isDevelopment, ownHosts }: EndpointRules,
): string | undefined {
  if (text.length > urlLength) return `url: at most ${urlLength} characters`
  if (!URL.canParse(text)) return 'url: not a URL'
  const url = new URL(text)
  if (url.username !== '' || url.password !== '') return 'url: must not carry a user name or password'
  if (allowPrivate && isLoopback(url)) return undefined
  if (isDevelopment && isLoopback(url))
    return 'url: loopback is refused; start the system with ALLOW_PRIVATE_ENDPOINTS=1 to allow it'
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
