import type { BuiltInPolicy } from './built-in-policies.ts'

/** What a request does, as far as limits care. A class with buckets of its own is counted there and among all requests. */
type RequestClass = 'requests' | 'searches' | 'uploads' | 'notifications' | 'checks'

/** A class by the start of its paths; whatever is not named here is a request like any other. */
const classes: readonly (readonly [path: string, is: RequestClass])[] = [
  ['/v1/search', 'searches'],
  ['/v1/uploads', 'uploads'],
  ['/v1/notifications', 'notifications'],
  ['/v1/limits', 'checks'],
]

/** The class of a path. A prefix ends where a segment does: /v1/searches is no search. */
export function classOf(path: string): RequestClass {
  const found = classes.find(([start]) => path === start || path.startsWith(`${start}/`))
  return found?.[1] ?? 'requests'
}

/** The policies a caller's own requests to `path` count under, by tier. Tenants' own checks are not requests of theirs. */
export function callerPolicies(path: string, tier: 'user' | 'key'): BuiltInPolicy[] {
  const is = classOf(path)
  if (is === 'checks') return ['checks']
  return is === 'requests' ? [`requests-${tier}`] : [`${is}-${tier}`, `requests-${tier}`]
}
