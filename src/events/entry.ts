import type { Mentions } from './activity.ts'

/**
 * One entry of a conversation's log, and with it one publication of its stream: version 1 of the events that contexts
 * share.
 */
export type Entry = MessageSent | MessageEdited | MessageDeleted | MemberChanged | RoleChanged | ConversationRenamed

interface Common {
  /** The author: a user id, or "" for the tenant's own server. */
  readonly user: string
  /** When, in milliseconds since the epoch, by the conversation's clock. */
  readonly at: number
}

/** A message. `id` never changes; `clientId` is the sender's own id for it. */
export interface MessageSent extends Common {
  readonly type: 'message'
  readonly id: string
  readonly clientId: string
  readonly text: string
  readonly replyTo?: number | undefined
  readonly thread?: number | undefined
  /** Messages written before 2026-12 hold an array of user ids. */
  readonly mentions?: Mentions | undefined
  readonly attachments?: readonly unknown[] | undefined
  readonly data?: unknown
  /** Set on a deleted message: its content is removed. */
  readonly deleted?: true
}

/** Message `ref` (its seq) has another text now. */
export interface MessageEdited extends Common {
  readonly type: 'message.edited'
  readonly ref: number
  /** Empty once the message was deleted. */
  readonly text: string
  readonly deleted?: true
}

/** Message `ref` is deleted; its content is removed from the log. */
export interface MessageDeleted extends Common {
  readonly type: 'message.deleted'
  readonly ref: number
}

/** A member joined or left for good (not presence). */
export interface MemberChanged extends Common {
  readonly type: 'member.joined' | 'member.left'
  readonly member: string
}

/** A member has another role from now on. */
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
