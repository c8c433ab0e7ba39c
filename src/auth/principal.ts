/** Who is behind a request: the tenant's own server (API key), one of its users (token), or nobody known. */
export type Principal =
  | { readonly kind: 'server'; readonly tenant: string; readonly keyId: string }
  | { readonly kind: 'user'; readonly tenant: string; readonly user: string }
  | { readonly kind: 'anonymous' }
