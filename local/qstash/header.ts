/** Headers as QStash stores and reports them: canonical names (`Content-Type`) with their values. */
export type HeaderLists = Record<string, string[]>

/** Headers of one connection, which are not forwarded. */
const ofOneConnection = new Set([
  'Connection',
  'Content-Length',
  'Host',
  'Keep-Alive',
  'Te',
  'Transfer-Encoding',
  'Upgrade',
])

/** `content-type` becomes `Content-Type`, Go's canonical form. */
function canonicalName(name: string): string {
  return name.toLowerCase().replace(/(^|-)([a-z])/g, (_, dash: string, letter: string) => dash + letter.toUpperCase())
}

/** The headers under their canonical names. */
export function canonical(headers: Iterable<[string, string[]]>): HeaderLists {
  const lists: HeaderLists = {}
  for (const [name, values] of headers) (lists[canonicalName(name)] ??= []).push(...values)
  return lists
}

/** The first value of a header, whatever the case of `name`. */
export function firstValue(header: HeaderLists, name: string): string | undefined {
  return header[canonicalName(name)]?.[0]
}

/** The headers that start with `prefix`, without it: `Upstash-Forward-My-Header` is sent as `My-Header`. */
export function forwarded(header: HeaderLists, prefix: string): HeaderLists {
  const entries = Object.entries(header)
    .filter(([name]) => name.startsWith(prefix) && name.length > prefix.length)
    .map(([name, values]): [string, string[]] => [canonicalName(name.slice(prefix.length)), values])
  return Object.fromEntries(entries.filter(([name]) => !ofOneConnection.has(name)))
}
