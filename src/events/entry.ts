/** One entry of a conversation's log, and with it one publication of its stream: version 1 of the events contexts meet in. */
export type Entry = MessageSent | MessageEdited | MessageDeleted | MemberChanged | RoleChanged | ConversationRenamed

interface Common {
  /** Who did it: a user id, or "" for the tenant's own server. */
  readonly user: string
  /** When, in milliseconds since the epoch, by the conversation's clock. */
  readonly at: number
}

/** Somebody said something. `id` never changes; `clientId` is what its sender called it. */
export interface MessageSent extends Common {
  readonly type: 'message'
  readonly id: string
  readonly clientId: string
  readonly text: string
  readonly replyTo?: number | undefined
  readonly thread?: number | undefined
  readonly mentions?: readonly string[] | undefined
  readonly attachments?: readonly unknown[] | undefined
  readonly data?: unknown
  /** Set where a deleted message was: its words are gone. */
  readonly deleted?: true
}

/** The text of message `ref` (its seq) is now another one. */
export interface MessageEdited extends Common {
  readonly type: 'message.edited'
  readonly ref: number
  /** Empty once the message was deleted. */
  readonly text: string
  readonly deleted?: true
}

/** Message `ref` is gone; its words have been removed from the log. */
export interface MessageDeleted extends Common {
  readonly type: 'message.deleted'
  readonly ref: number
}

/** Somebody joined or left for good (not presence). */
export interface MemberChanged extends Common {
  readonly type: 'member.joined' | 'member.left'
  readonly member: string
}

/** A member holds another role from now on. */
export interface RoleChanged extends Common {
  readonly type: 'member.role'
  readonly member: string
  readonly role: string
}

/** The conversation has another name. */
export interface ConversationRenamed extends Common {
  readonly type: 'conversation.renamed'
  readonly name: string
}
