/** A publication as clients hear it. */
export interface Pub {
  readonly offset?: number
  readonly data: { readonly [field: string]: unknown; readonly type: string }
  readonly info?: { readonly user: string; readonly client: string }
}

/** The result of a subscribe, alone or inside a connect's. */
export interface Subscribed {
  readonly recoverable: boolean
  readonly positioned: boolean
  readonly epoch: string
  readonly offset: number
  readonly was_recovering?: boolean
  readonly recovered?: boolean
  readonly publications?: readonly Pub[]
  readonly data: { readonly [field: string]: unknown }
}

/** One line from the server: a reply or a push. Exactly one field beside the id is there. */
export interface Heard {
  readonly id?: number
  readonly error?: {
    readonly code: number
    readonly message: string
    readonly temporary?: boolean
    readonly data?: { readonly retryAfterMs: number }
  }
  readonly connect?: {
    readonly client: string
    readonly expires?: boolean
    readonly ttl?: number
    readonly data: { readonly [field: string]: unknown }
    readonly subs: Readonly<Record<string, Subscribed>>
    readonly ping: number
    readonly pong: boolean
    readonly session?: string
    readonly node?: string
  }
  readonly subscribe?: Subscribed
  readonly unsubscribe?: object
  readonly publish?: object
  readonly rpc?: { readonly data: Readonly<Record<string, unknown>> }
  readonly history?: { readonly publications: readonly Pub[]; readonly epoch: string; readonly offset: number }
  readonly presence?: { readonly presence: Readonly<Record<string, { user: string; client: string }>> }
  readonly presence_stats?: { readonly num_clients: number; readonly num_users: number }
  readonly sub_refresh?: { readonly expires: boolean; readonly ttl: number }
  readonly refresh?: { readonly client: string; readonly expires: boolean; readonly ttl: number }
  readonly push?: {
    readonly channel: string
    readonly pub?: Pub
    readonly join?: { readonly info: { readonly user: string; readonly client: string } }
    readonly leave?: { readonly info: { readonly user: string; readonly client: string } }
    readonly subscribe?: Subscribed
    readonly unsubscribe?: { readonly code: number; readonly reason: string }
    readonly disconnect?: { readonly code: number; readonly reason: string }
  }
}

/** A command of a client; the line adds its own id. */
export type Ask = Readonly<Record<string, unknown>>
