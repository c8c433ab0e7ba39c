/** direct: two fixed people; group: members only; channel: every user of the tenant may read, members write. */
export type ConversationType = 'direct' | 'group' | 'channel'

/** The roles that every conversation has; a grid of its own may have others. What a role may do is in `rights.ts`. */
export type Role = 'owner' | 'admin' | 'moderator' | 'member' | 'reader'

/** The rights of roles, by name. */
export type Grid = Readonly<Record<string, readonly string[]>>

/** The rights of roles, each as a number with a bit for each right. */
export type Rights = Readonly<Record<string, number>>

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
  readonly topic?: string | undefined
  /** The address of a picture. */
  readonly avatar?: string | undefined
  /** Custom properties: the JSON text of an object, as it was given. */
  readonly properties?: string | undefined
  readonly frozen?: true | undefined
  /** Seconds between two messages of a member. */
  readonly slowModeSeconds?: number | undefined
  /** The rights of roles that are not as by default. */
  readonly grid?: Grid | undefined
  /** The numbers of all roles, where the conversation has a grid, is frozen or has a blocked member; else they are the default. */
  readonly rights?: Rights | undefined
  /** Users that are banned, each with the end of the ban in milliseconds since the epoch; null for none. */
  readonly bans?: Readonly<Record<string, number | null>>
  /** The members of a direct conversation that the other one blocks. */
  readonly blocked?: readonly string[] | undefined
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
  /** One of `Role`, or of the conversation's grid. */
  readonly role: string
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
