import type { RequestClass } from '../protocol/operation.ts'
import type { BuiltInPolicy } from './built-in-policies.ts'

/** A class by the prefix of its paths; every other path is a plain request. */
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

/** The policies under which a caller's request of a class counts, by tier. Checks do not count among other requests. */
export function callerPolicies(is: RequestClass, tier: 'user' | 'key'): BuiltInPolicy[] {
  if (is === 'checks') return ['checks']
  return is === 'requests' ? [`requests-${tier}`] : [`${is}-${tier}`, `requests-${tier}`]
}
