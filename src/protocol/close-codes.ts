/**
 * Why the server ends a connection: WebSocket close code and reason (Centrifuge protocol ranges). 3000–3499 and
 * 4000–4499: the client reconnects by itself; 3500–3999 and 4500–4999: it does not. Reasons are plain non-empty words:
 * the JavaScript SDK ignores a terminal code without them.
 */
export const closes = {
  shutdown: { code: 3001, reason: 'shutdown' },
  internal: { code: 3004, reason: 'internal server error' },
  expired: { code: 3005, reason: 'connection expired' },
  slow: { code: 3008, reason: 'slow' },
  insufficientState: { code: 3010, reason: 'insufficient state' },
  noPong: { code: 3012, reason: 'no pong' },
  tooManyRequests: { code: 3013, reason: 'too many requests' },
  invalidToken: { code: 3500, reason: 'invalid token' },
  badRequest: { code: 3501, reason: 'bad request' },
  stale: { code: 3502, reason: 'stale' },
  forced: { code: 3503, reason: 'force disconnect' },
  connectionLimit: { code: 3504, reason: 'connection limit' },
  /** The tenant ended the user's sessions; only a token issued afterwards is accepted. */
  revoked: { code: 4501, reason: 'sessions revoked' },
  /** The tenant is suspended: its users are not admitted until it is active again. */
  suspended: { code: 4503, reason: 'tenant suspended' },
  /** The operator has deleted the tenant, though it may still be restored. */
  tenantDeleted: { code: 4505, reason: 'tenant deleted' },
  /** The tenant has banned the user. No token is accepted until the ban ends, and then one that was issued after it began. */
  banned: { code: 4506, reason: 'user banned' },
  /** The page's origin is not in the tenant's list. */
  originNotAllowed: { code: 4504, reason: 'origin not allowed' },
  tooManyErrors: { code: 3509, reason: 'too many errors' },
} as const

/** The name of a way to end a connection. */
export type CloseName = keyof typeof closes

/** Unsubscribe pushes: below 2500 final, from 2500 on the SDK subscribes again with recovery. */
export const unsubscribes = {
  /** The subscriber is no longer a member. */
  removed: { code: 2100, reason: 'removed from conversation' },
  /** The tenant's own server ended it. */
  server: { code: 2000, reason: 'server unsubscribe' },
  insufficientState: { code: 2500, reason: 'insufficient state' },
  /** Its token expired and was not renewed: the SDK subscribes again with a new one. */
  expired: { code: 2501, reason: 'subscription expired' },
} as const

/** The name of an unsubscribe push. */
export type UnsubscribeName = keyof typeof unsubscribes
