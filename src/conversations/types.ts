/** direct: two fixed people; group: members only; channel: every user of the tenant may read, members write. */
export type ConversationType = 'direct' | 'group' | 'channel'

/** What a member may do beyond reading and writing: owners and admins rename, add and remove; owners give roles and delete. */
export type Role = 'owner' | 'admin' | 'member'

/** What is fixed or changes rarely about one conversation. */
export interface Conversation {
  readonly tenant: string
  readonly id: string
  readonly type: ConversationType
  readonly name: string
  /** Incarnation of its log, 8 random characters; offsets of another epoch mean nothing. */
  readonly epoch: string
  readonly createdBy: string
  readonly createdAt: number
  /** A digest of what its creator asked for, where a repeat of the request can be told by the conversation's id. */
  readonly request?: string
  /** Set when it was deleted: it can no longer be reached. */
  readonly deletedAt?: number
  /** Raised with every change of these properties or of the members; says in Postgres which is newer. */
  readonly version: number
}

/**
 * One member. `read` is the highest seq the member has seen, `joined` the last seq before the member came: of what lies
 * up to there the cursor says nothing.
 */
export interface Member {
  readonly user: string
  readonly role: Role
  readonly joinedAt: number
  readonly read: number
  readonly joined: number
}

/** A stored log entry: its place, its author, and its JSON as everyone hears it. `data` is null once only Postgres has it. */
export interface LogRow {
  readonly seq: number
  readonly at: number
  readonly user: string
  /** The connection it came over, "" when it came over HTTP. */
  readonly client: string
  readonly clientId: string | null
  readonly data: string
}

/** Who asks: a user on one connection, or the tenant's own server (`user` ""), which may do everything. */
export interface Actor {
  readonly user: string
  readonly client: string
  readonly server: boolean
}

/** The message an amendment points at: who wrote it, whether it is already gone, and its newest text if it was edited. */
export interface Target {
  readonly kind: 'message' | 'other'
  readonly user: string
  readonly deleted: boolean
  readonly text: string | undefined
}
