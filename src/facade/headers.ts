/** Headers for one connection only (RFC 9110 §7.6.1), and those that a proxy answers itself. */
export const hopByHop: readonly string[] = [
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authentication-info',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]

/** What a facade says itself; a client's own words are dropped. */
const ownWords: readonly string[] = [
  'cf-connecting-ip',
  'expect',
  'forwarded',
  'host',
  'parley-shadow',
  'true-client-ip',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-port',
  'x-forwarded-prefix',
  'x-forwarded-proto',
  'x-real-ip',
]

/** What holds for a whole host, which several tenants share. */
const ofSharedHosts: readonly string[] = ['clear-site-data', 'service-worker-allowed', 'strict-transport-security']

/** A request has passed so many facades at most. */
export const maxHops = 5
const pseudonym = '1.1 parley'

/** Where a request came in. */
export interface Entrance {
  /** The address of the client, where it is known. */
  readonly client: string | undefined
  /** `www.acme.com`, with the port where it has one. */
  readonly host: string
  readonly scheme: 'http' | 'https'
  /** What stands before the upstream's path: `/facade/acme/shop`, or nothing on a host that is all the route's. */
  readonly prefix: string
  /** Whether the host is Parley's own, which other tenants use as well. */
  readonly isShared: boolean
}

const token = /^[!#$%&'*+.^_`|~0-9a-z-]+$/

/** The names in a `Connection` header, which are for that connection only, too. */
function namedByConnection(connection: string | null): string[] {
  if (connection === null) return []
  return connection
    .toLowerCase()
    .split(',')
    .map((name) => name.trim())
    .filter((name) => token.test(name))
}

/** Whether a request has passed too many facades: an upstream that leads back. */
export const isLoop = (via: string | null): boolean =>
  via !== null && via.split(',').filter((hop) => hop.trim() === pseudonym).length >= maxHops

/** The headers of a request as the upstream is sent them. */
export function requestHeaders(given: Headers, { client, host, scheme, prefix }: Entrance): Headers {
  const headers = new Headers(given)
  const isWebSocket = given.get('upgrade')?.toLowerCase() === 'websocket'
  for (const name of namedByConnection(given.get('connection'))) headers.delete(name)
  for (const name of hopByHop) headers.delete(name)
  for (const name of ownWords) headers.delete(name)
  if (isWebSocket) headers.set('upgrade', 'websocket')
  headers.set('x-forwarded-host', host)
  headers.set('x-forwarded-proto', scheme)
  if (prefix !== '') headers.set('x-forwarded-prefix', prefix)
  if (client !== undefined) {
    headers.set('x-forwarded-for', client)
    headers.set('x-real-ip', client)
  }
  headers.set('forwarded', forwardedOf(client, host, scheme))
  headers.append('via', pseudonym)
  return headers
}

/** RFC 7239: values with other characters than those of a token are quoted, IPv6 addresses have brackets. */
function forwardedOf(client: string | undefined, host: string, scheme: string): string {
  const node = client === undefined ? 'unknown' : client.includes(':') ? `"[${client}]"` : client
  return `for=${node};host="${host.replaceAll(/["\\]/g, '')}";proto=${scheme}`
}

/** Where the answer came from: the upstream of the route, as it was parsed. */
export interface UpstreamAddress {
  /** `https://legacy.example.com` */
  readonly origin: string
  /** The path of the upstream without a slash at its end; nothing for the root. */
  readonly path: string
}

/** The headers of a response as the client is sent them. */
export function responseHeaders(given: Headers, entrance: Entrance, upstream: UpstreamAddress): Headers {
  const headers = new Headers(given)
  for (const name of namedByConnection(given.get('connection'))) headers.delete(name)
  for (const name of hopByHop) headers.delete(name)
  headers.delete('alt-svc')
  if (entrance.isShared) for (const name of ofSharedHosts) headers.delete(name)
  for (const name of ['location', 'content-location']) {
    const value = headers.get(name)
    if (value !== null) headers.set(name, rewrittenLocation(value, entrance, upstream))
  }
  const cookies = headers.getSetCookie()
  if (cookies.length > 0) {
    headers.delete('set-cookie')
    for (const cookie of cookies) {
      const rewritten = rewrittenCookie(cookie, entrance, upstream)
      if (rewritten !== undefined) headers.append('set-cookie', rewritten)
    }
  }
  return headers
}

/** An address of the upstream as the facade has it; any other as it is. */
export function rewrittenLocation(
  value: string,
  { scheme, host, prefix }: Entrance,
  upstream: UpstreamAddress,
): string {
  const isAbsolute = /^(?:[a-z][a-z\d+.-]*:)?\/\//i.test(value)
  if (!isAbsolute && !value.startsWith('/')) return value
  if (!URL.canParse(value, upstream.origin)) return value
  const url = new URL(value, upstream.origin)
  if (url.origin !== upstream.origin) return value
  const path = pathBehind(url.pathname, upstream.path)
  if (path === undefined) return value
  const there = `${prefix}${path}` || '/'
  return `${isAbsolute ? `${scheme}://${host}` : ''}${there}${url.search}${url.hash}`
}

/** What follows the path of the upstream; undefined when the path is not below it. */
function pathBehind(path: string, base: string): string | undefined {
  if (base === '') return path
  if (path === base) return ''
  return path.startsWith(`${base}/`) ? path.slice(base.length) : undefined
}

/** A `Set-Cookie` for the facade's host and prefix; undefined when it cannot be set there. */
export function rewrittenCookie(
  cookie: string,
  { host, prefix, isShared }: Entrance,
  upstream: UpstreamAddress,
): string | undefined {
  const [pair = '', ...attributes] = cookie.split(';')
  // Such a cookie is for a whole host, and has the path / or is refused.
  const isOfHost = /^\s*__host-/i.test(pair)
  if (isOfHost && isShared) return undefined
  const kept: string[] = []
  for (const attribute of attributes) {
    const [name = '', ...values] = attribute.split('=')
    const value = values.join('=').trim()
    const kind = name.trim().toLowerCase()
    if (kind === 'domain') {
      if (!isShared && covers(value, host)) kept.push(attribute)
    } else if (kind === 'path' && !isOfHost) kept.push(` Path=${cookiePath(value, prefix, upstream.path)}`)
    else kept.push(attribute)
  }
  return [pair, ...kept].join(';')
}

/** Whether a cookie's domain covers the host of the request, as browsers demand. */
function covers(domain: string, host: string): boolean {
  const own = host.toLowerCase().replace(/:\d+$/, '')
  const wanted = domain.toLowerCase().replace(/^\./, '')
  return wanted !== '' && (own === wanted || own.endsWith(`.${wanted}`))
}

/** A path at the upstream as browsers see it behind the facade; what is wider than the route gets the path of the route. */
function cookiePath(path: string, prefix: string, base: string): string {
  if (!path.startsWith('/')) return prefix || '/'
  return `${prefix}${pathBehind(path, base) ?? ''}` || '/'
}

/** The URL of a request at an upstream: its address, then the path and query of the request as they came. */
export const upstreamUrl = ({ origin, path }: UpstreamAddress, rest: string, search: string): string =>
  `${origin}${path}${rest.startsWith('/') || rest === '' ? rest : `/${rest}`}${search}`

/** An upstream's URL, checked before. */
export function addressOf(url: string): UpstreamAddress {
  const { origin, pathname } = new URL(url)
  return { origin, path: pathname.replace(/\/+$/, '') }
}
