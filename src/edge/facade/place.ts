import { loadConfig, type Config } from '../../config.ts'
import type { Entrance } from '../../facade/headers.ts'
import { clientAddress } from '../identity/client-address.ts'
import type { Vars } from '../../vars.ts'

/** The route that a request is for, and what is behind it. */
export interface FacadePlace {
  readonly tenant: string
  readonly route: string
  /** Behind the route, as it came. */
  readonly path: string
  readonly search: string
  readonly entrance: Entrance
}

const prefixed = '/facade/'

/** Where in a facade a request goes; undefined when it is for Parley itself. */
export function facadePlace(request: Request, vars: Vars): FacadePlace | undefined {
  const config = loadConfig(vars)
  const { hosts, paths } = config.facade
  if (hosts.size === 0 && !(paths && request.url.includes(prefixed))) return undefined
  const url = new URL(request.url)
  const own = hosts.get(url.host)
  if (own === undefined && !paths) return undefined
  const found =
    own?.route === undefined
      ? behindPrefix(url.pathname, own?.tenant)
      : { tenant: own.tenant, route: own.route, path: url.pathname, prefix: '' }
  if (found === undefined) return undefined
  const { prefix, ...place } = found
  const entrance: Entrance = {
    client: clientAddress(request, config),
    host: url.host,
    scheme: schemeOf(request, url, config),
    prefix,
    isShared: own === undefined,
  }
  return { ...place, search: url.search, entrance }
}

/** `/facade/<route>/<path>` of a tenant's host, `/facade/<tenant>/<route>/<path>` of any other. */
function behindPrefix(pathname: string, tenantOfHost: string | undefined) {
  if (!pathname.startsWith(prefixed)) return undefined
  const [, before = '', tenant = '', route = '', path = ''] =
    (tenantOfHost === undefined ? /^(\/facade\/([^/]+)\/([^/]+))(\/.*)?$/ : /^(\/facade\/()([^/]+))(\/.*)?$/).exec(
      pathname,
    ) ?? []
  return route === '' ? undefined : { tenant: tenantOfHost ?? tenant, route, path, prefix: before }
}

/** What clients use: TLS may end at a trusted proxy in front, which says so. */
function schemeOf({ headers }: Request, url: URL, { trustedProxyHeader }: Config): 'http' | 'https' {
  const claimed = trustedProxyHeader === undefined ? null : headers.get('x-forwarded-proto')
  if (claimed === 'http' || claimed === 'https') return claimed
  return url.protocol === 'https:' ? 'https' : 'http'
}
