/** A host that a text links to; one without a scheme may be no link at all. */
export interface LinkedHost {
  readonly host: string
  readonly hasScheme: boolean
}

/** Links of one text that are looked at; a text has no more than its bytes allow. */
const longestLink = 2048

/** The hosts that a text links to, or that it names in a form that clients make links of. One pass over its words. */
export function hostsIn(text: string): LinkedHost[] {
  if (!text.includes('.')) return []
  return text.split(/[\s<>"'()[\]{}|\\^`,;*]+/).flatMap((word) => {
    if (!word.includes('.') || word.length > longestLink) return []
    const scheme = word.indexOf('://')
    const hasScheme = scheme >= 0 || /^www\./i.test(word)
    const host = hostOf(scheme < 0 ? word : word.slice(scheme + 3))
    return host === undefined || !(hasScheme || isName(host)) ? [] : [{ host, hasScheme }]
  })
}

/** The host as browsers would call it: in lower case, names of other scripts in Punycode. */
function hostOf(address: string): string | undefined {
  const [authority = ''] = address.split(/[/?#]/, 1)
  const name = authority.slice(authority.lastIndexOf('@') + 1)
  try {
    const { hostname } = new URL(`http://${name}`)
    const host = hostname.replace(/\.+$/, '')
    return host.includes('.') ? host : undefined
  } catch {
    return undefined
  }
}

/** Whether a host without a scheme is a name of the net and no number or abbreviation. */
const isName = (host: string): boolean => /\.(?:[a-z]{2,}|xn--[a-z0-9-]+)$/.test(host)

/** Whether a host is one of these, or a subdomain of one. */
export const isAmong = (host: string, hosts: ReadonlySet<string>): boolean => {
  for (let at = 0; at >= 0; at = host.indexOf('.', at + 1)) {
    const name = at === 0 ? host : host.slice(at + 1)
    if (hosts.has(name)) return true
  }
  return false
}
