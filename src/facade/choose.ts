import { hash32, mixed32 } from '../kernel/id.ts'
import { keyLength, type FacadeDefinition } from '../protocol/facade-api.ts'
import type { PublishedRoute, Side } from './route.ts'

/** Keys are spread over so many buckets: a percent has two decimals. */
export const buckets = 10_000

/** The bucket of a key on a route: always the same. A key is on the new side when its bucket is below 100 × percent. */
export const bucketOf = (route: string, key: string): number => mixed32(hash32(`${route}\n${key}`)) % buckets

/** What decides the side, beside the route. */
export interface Chosen {
  readonly key: string | undefined
  readonly method: string
  /** Milliseconds since the epoch. */
  readonly now: number
}

/** The share of keys on the new side at a time. */
export function percentAt({ state, percent, before }: PublishedRoute, now: number): number {
  if (state !== 'active') return 0
  return before !== null && now < before.until ? before.percent : percent
}

/** The side of a request. For one key it changes only with the route: a larger percent moves no key to legacy. */
export function chooseSide(route: PublishedRoute, allow: ReadonlySet<string>, { key, method, now }: Chosen): Side {
  if (route.state !== 'active') return 'legacy'
  const { methods } = route.definition
  if (methods !== undefined && !methods.some((allowed) => allowed === method)) return 'legacy'
  const percent = percentAt(route, now)
  if (key === undefined) return percent >= 100 ? 'new' : 'legacy'
  if (allow.has(key)) return 'new'
  return bucketOf(route.name, key) < Math.round(percent * 100) ? 'new' : 'legacy'
}

/** What keys are read from. */
export interface KeySource {
  readonly header: (name: string) => string | null
  /** Behind the route, without the query. */
  readonly path: string
}

/** The key of a request; undefined when it has none. */
export function keyOf(key: FacadeDefinition['key'], { header, path }: KeySource): string | undefined {
  const found = key.from === 'path' ? path : 'name' in key ? named(key, header) : userOf(header('authorization'))
  return found === undefined || found === '' ? undefined : found.slice(0, keyLength)
}

const named = (
  { from, name }: { readonly from: 'header' | 'cookie'; readonly name: string },
  header: KeySource['header'],
): string | undefined => (from === 'header' ? (header(name) ?? undefined) : cookieOf(header('cookie') ?? '', name))

/** The value of the first cookie of that name. */
function cookieOf(cookies: string, name: string): string | undefined {
  for (const pair of cookies.split(';')) {
    const equals = pair.indexOf('=')
    if (equals > 0 && pair.slice(0, equals).trim() === name) return pair.slice(equals + 1).trim()
  }
  return undefined
}

/** Longer credentials are not read. */
const maxCredentials = 16_384

/** The user that credentials name. They are not verified: the user only chooses a side. */
function userOf(authorization: string | null): string | undefined {
  if (authorization === null || authorization.length > maxCredentials) return undefined
  const [, scheme = '', credentials = ''] = /^(bearer|basic) +([\w.~+/=-]+)$/i.exec(authorization) ?? []
  if (scheme.toLowerCase() === 'basic') return decoded(credentials)?.split(':', 1)[0]
  const [, payload = '', signature] = credentials.split('.')
  const text = signature === undefined ? undefined : decoded(payload.replaceAll('-', '+').replaceAll('_', '/'))
  return text === undefined ? undefined : subjectOf(text)
}

function decoded(base64: string): string | undefined {
  try {
    return new TextDecoder().decode(Uint8Array.from(atob(base64), (character) => character.charCodeAt(0)))
  } catch {
    return undefined
  }
}

function subjectOf(text: string): string | undefined {
  try {
    const claims: unknown = JSON.parse(text)
    const subject = typeof claims === 'object' && claims !== null && 'sub' in claims ? claims.sub : undefined
    return typeof subject === 'string' || typeof subject === 'number' ? String(subject) : undefined
  } catch {
    return undefined
  }
}
