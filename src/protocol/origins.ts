import { z } from 'zod'

/** How many origins a tenant may list. */
export const maxOrigins = 100

/** An origin as browsers send it, an origin whose first label is `*`, or `*` for any. */
export const originPattern = z
  .string()
  .max(300)
  .regex(
    /^(?:\*|[a-z][a-z0-9+.-]*:\/\/(?:\*\.)?(?:[a-z0-9_-]+(?:\.[a-z0-9_-]+)*|\[[0-9a-f:.]+\])(?::\d{1,5})?)$/,
    'an origin in lower case such as https://app.example.com, https://*.example.com or *',
  )

/** Whether pages of an origin may use the tenant. Without a list any may. */
export function allowsOrigin(patterns: readonly string[] | undefined, origin: string): boolean {
  if (patterns === undefined) return true
  const given = origin.toLowerCase()
  return patterns.some((pattern) => {
    if (pattern === '*' || pattern === given) return true
    const [scheme = '', domain = ''] = pattern.split('://*.')
    return domain !== '' && given.startsWith(`${scheme}://`) && given.endsWith(`.${domain}`)
  })
}

/**
 * The origin of the page that a request comes from, "" when the request has none (it is not from a browser) or when the
 * page is this server's own. One that is too long is cut: it is then on no list.
 */
export function foreignOrigin(header: string | null | undefined, ownUrls: readonly string[]): string {
  if (header === null || header === undefined) return ''
  const host = URL.parse(header)?.host
  const isOwn = host !== undefined && ownUrls.some((url) => URL.parse(url)?.host === host)
  return isOwn ? '' : header.slice(0, 300)
}
