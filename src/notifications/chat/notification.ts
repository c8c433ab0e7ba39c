import type { ChatNoticeKind, ChatNotifications } from '../../protocol/chat-notifications-api.ts'
import type { Category, NotificationSpec, Profile, Workflow } from '../model.ts'

/** A notice of a conversation with what its notification is made of. */
export interface ChatCause {
  readonly id: string
  readonly kind: ChatNoticeKind
  readonly seq: number
  readonly at: number
  readonly author: string
  readonly text: string
  readonly conversation: { readonly id: string; readonly epoch: string; readonly type: string; readonly name: string }
  readonly workflow: Workflow
  readonly category: Category | undefined
  readonly actorProfile: Partial<Profile> | undefined
  readonly link: string
}

/** A message as templates see it. */
export interface ChatMessage {
  readonly seq: number
  readonly at: number
  readonly user: string
  /** The display name, or the id. */
  readonly name: string
  readonly text: string
}

/** The data of templates of chat. */
export interface ChatData {
  readonly kind: ChatNoticeKind
  readonly conversation: { readonly id: string; readonly type: string; readonly name: string }
  /** The conversation as a sentence names it. */
  readonly place: string
  readonly author: string
  /** The newest of `messages`; that of an invitation has no text. */
  readonly message: { readonly seq: number; readonly at: number; readonly user: string; readonly text: string }
  readonly messages: readonly ChatMessage[]
  readonly count: number
  /** Where the conversation is read; empty where the tenant has not said it. */
  readonly link: string
}

/** The notification of a notice, the same for all its recipients. */
export function chatNotification(cause: ChatCause): NotificationSpec {
  const { id, kind, seq, at, author, conversation, workflow, category, actorProfile } = cause
  return {
    id,
    at,
    workflow,
    category,
    ...(author === '' ? {} : { actor: author }),
    ...(actorProfile === undefined ? {} : { actorProfile }),
    conversation: conversation.id,
    priority: workflow.priority,
    data: chatData(cause),
    chat: { conversation: conversation.id, epoch: conversation.epoch, kind, seq },
  }
}

function chatData({ kind, seq, at, author, text, conversation, actorProfile, link }: ChatCause): ChatData {
  const { id, type, name } = conversation
  const known = actorProfile?.name ?? author
  const message = { seq, at, user: author, text }
  const messages = kind === 'invitation' ? [] : [{ ...message, name: known }]
  return {
    kind,
    conversation: { id, type, name },
    place: placeOf(type, name, known),
    author: author === '' ? 'The team' : author,
    message,
    messages,
    count: messages.length,
    link,
  }
}

/** How a sentence names the conversation. */
export function placeOf(type: string, name: string, author: string): string {
  if (type === 'direct') return `your conversation with ${author}`
  return name === '' ? 'a conversation' : name
}

/** The address of the conversation in the tenant's app. */
export const linkOf = ({ link = '' }: Pick<ChatNotifications, 'link'>, conversation: string): string =>
  link.replaceAll('{conversation}', encodeURIComponent(conversation))

/** The data of a notification with what its conversation says now. */
export function refreshedData(
  data: unknown,
  now: { readonly name: string; readonly count: number; readonly messages: readonly ChatMessage[] },
): unknown {
  if (typeof data !== 'object' || data === null) return data
  const newest = now.messages.at(-1)
  if (newest === undefined) return data
  const { seq, at, user, text } = newest
  return { ...data, messages: now.messages, count: now.count, message: { seq, at, user, text } }
}
