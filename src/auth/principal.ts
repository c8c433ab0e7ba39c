/** The caller of a request: the tenant's own server (API key), one of its users (token), or an unidentified caller. */
export type Principal =
  | { readonly kind: 'server'; readonly tenant: string; readonly keyId: string }
  | { readonly kind: 'user'; readonly tenant: string; readonly user: string }
  | { readonly kind: 'anonymous' }

/** The caller of a request that one Worker of the system passed on to another. */
export interface ForwardedCaller {
  /** The operator where `operator` is the kind. */
  readonly principal: Principal | { readonly kind: 'operator' }
  /** How many Workers have passed it on. */
  readonly hops: number
}
