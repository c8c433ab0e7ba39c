import { timingSafeEqual, createHash } from 'node:crypto'

/**
 * Where a caller wants to go. The port is no part of it: the SDK's `poolQueryViaFetch` rebuilds the address without
 * port and query, so only these three always arrive.
 */
export interface Asked {
  /** Endpoint host in lower case, e.g. `shard0.local`. */
  readonly host: string
  readonly database: string
  readonly user: string
}

/** Where a caller is let through to. */
export interface Route {
  /** The password the caller must show; the proxy's own, not the upstream's. */
  readonly password: string
  /** `postgres://user:password@host:port/database` of the real server; any authentication method it wants. */
  readonly upstream: string
  /** Connections kept for HTTP queries to this upstream. Default 8. */
  readonly poolSize?: number
}

/** The allow-list: a way for each (host, database, user) that has one. What it does not know goes nowhere. */
export type Resolve = (asked: Asked) => Route | undefined

/** A refusal in Postgres' own terms, so that callers see one kind of error over HTTP and WebSocket. */
export interface Refusal {
  readonly severity: 'FATAL'
  /** SQLSTATE. */
  readonly code: string
  readonly message: string
}

/** Whether a caller may pass, and to where. */
export type Admission =
  | { readonly kind: 'admitted'; readonly route: Route }
  | { readonly kind: 'refused'; readonly refusal: Refusal }

/** Looks up where a caller wants to go and checks the password shown. */
export function admit(resolve: Resolve, asked: Asked, password: string): Admission {
  const route = resolve(asked)
  if (route === undefined) return refused('3D000', `database "${asked.database}" does not exist at ${asked.host}`)
  if (!same(route.password, password)) {
    return refused('28P01', `password authentication failed for user "${asked.user}"`)
  }
  return { kind: 'admitted', route }
}

function refused(code: string, message: string): Admission {
  return { kind: 'refused', refusal: { severity: 'FATAL', code, message } }
}

/** Compares digests: equal lengths, as the comparison needs, and no hint of where they differ. */
function same(a: string, b: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(a), digest(b))
}
