/** What a conversation sends to Postgres: everything after its watermark, in order, with the placement it knows. */
export interface ProjectionBatch {
  readonly tenant: string
  readonly placementEpoch: number
  readonly conversation: string
  readonly epoch: string
  readonly rows: readonly ProjectedRow[]
  /** Seqs of messages whose content must be removed. */
  readonly scrubbed: readonly number[]
  /** The seqs of their deletions: what was written after one, as by a restoration, is not removed by it. Batches of the version before have none. */
  readonly scrubbedBy?: readonly number[]
  /** The conversation's properties and members, when they changed since the last batch. */
  readonly facts?: ProjectedProperties
  /** Of a rebuild: what Postgres has of these seqs goes first, and its properties and members where they are in this batch. */
  readonly replaced?: { readonly first: number; readonly last: number; readonly hasProperties: boolean }
}

/** One log entry; `at` in milliseconds since the epoch. */
export interface ProjectedRow {
  readonly seq: number
  readonly at: number
  readonly user: string
  readonly client: string
  readonly clientId: string | null
  readonly data: string
}

export interface ProjectedProperties {
  readonly type: string
  readonly name: string
  readonly createdBy: string
  readonly createdAt: number
  readonly deletedAt: number | null
  readonly version: number
  /** JSON text of what the conversation is beside these; null where there is nothing. Absent in batches of the version before. */
  readonly properties?: string | null
  /** Members of this version: all of them, or a part of those of a large conversation. */
  readonly members: readonly { readonly user: string; readonly role: string; readonly joinedAt: number }[]
  /** Whether all members of this version are written now, so that the others can go. */
  readonly isComplete: boolean
}

/**
 * The result of a batch. `written`: with the seqs of entries whose content is now removed from Postgres, if any, and a position of
 * the shard's log behind the commit, from which on a replica shows the batch; absent where the shard names none. `publishedSince`:
 * since when the tenant's events are published, in milliseconds since the epoch; absent where they are not.
 * `misplaced`: the shard knows a newer placement, or none; ask the tenant's actor again. `failed`: the shard did not
 * confirm it, whether or not it has it; writing it again is harmless.
 */
export type Projected =
  | {
      readonly kind: 'written'
      readonly scrubbed: readonly number[]
      readonly position?: string
      readonly publishedSince?: number
      /** What conversations notify their members of, as JSON text; absent where they notify of nothing. */
      readonly chatRules?: string
    }
  | { readonly kind: 'misplaced' }
  | { readonly kind: 'failed'; readonly why: string }
