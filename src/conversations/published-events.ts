import { z } from 'zod'
import type { NewEvent } from '../events/log-event.ts'
import { messageRef } from '../protocol/entry-kind.ts'
import { conversationUpdated } from './change.ts'
import { messageId } from './commands/send-message.ts'
import { messageSent } from './message-entries.ts'
import type { Conversation, LogRow } from './types.ts'

/** Members that `conversation.created` lists. */
export const maxListedMembers = 100

const place = {
  conversation: z.string().describe('Its id'),
  epoch: z.string().describe('Another one after the conversation was deleted and created again'),
}
const entry = { ...place, seq: z.int().describe('The place of the entry in the conversation') }
const by = {
  user: z.string().describe('Who did it; empty for your server'),
  at: z.int().describe('Milliseconds since the epoch'),
}
const message = { message: z.string().describe('The id of the message'), ref: messageRef }

/** What Parley publishes of conversations, by type: when, and the data. */
export const publishedEvents = {
  'message.created': { when: 'A message was sent', data: z.object({ ...entry, message: messageSent }) },
  'message.updated': {
    when: 'A message was edited',
    data: z.object({ ...entry, ...message, text: z.string(), ...by }),
  },
  'message.deleted': { when: 'A message was deleted', data: z.object({ ...entry, ...message, ...by }) },
  'reaction.added': {
    when: 'A user reacted to a message',
    data: z.object({ ...entry, ...message, reaction: z.string(), only: z.boolean().optional(), ...by }),
  },
  'reaction.removed': {
    when: 'A reaction was taken back',
    data: z.object({ ...entry, ...message, reaction: z.string(), member: z.string(), ...by }),
  },
  'message.pinned': {
    when: 'A message was pinned',
    data: z.object({ ...entry, ...message, until: z.int().optional(), ...by }),
  },
  'message.unpinned': { when: 'A message was unpinned', data: z.object({ ...entry, ...message, ...by }) },
  'conversation.created': {
    when: 'A conversation was created',
    data: z.object({
      ...place,
      type: z.enum(['direct', 'group', 'channel']),
      name: z.string(),
      createdBy: z.string().describe('Empty for your server'),
      at: by.at,
      memberCount: z.int(),
      members: z.array(z.string()).describe(`At most ${maxListedMembers} of them`),
    }),
  },
  'conversation.updated': {
    when: 'The name or other properties of a conversation changed',
    data: z.object({ ...entry, name: z.string().optional(), ...conversationUpdated.omit({ type: true }).shape }),
  },
  'conversation.deleted': { when: 'A conversation was deleted', data: z.object({ ...place, at: by.at }) },
  'member.added': {
    when: 'A member joined or was added, after the creation',
    data: z.object({ ...entry, member: z.string(), ...by }),
  },
  'member.removed': {
    when: 'A member left or was removed',
    data: z.object({ ...entry, member: z.string(), ...by }),
  },
} as const
type PublishedType = keyof typeof publishedEvents

/** Types of events by those of the entries that they publish. */
export const typeOfEntry: Readonly<Record<string, PublishedType>> = {
  'message.edited': 'message.updated',
  'message.deleted': 'message.deleted',
  'reaction.added': 'reaction.added',
  'reaction.removed': 'reaction.removed',
  'pin.added': 'message.pinned',
  'pin.removed': 'message.unpinned',
  'conversation.renamed': 'conversation.updated',
  'conversation.updated': 'conversation.updated',
  'member.joined': 'member.added',
  'member.left': 'member.removed',
}

/** How a message begins; its text is passed on as it is. */
const messageEntry = '{"type":"message",'

/** The event of an entry of the log; undefined for an entry that is not published. */
export function eventOfEntry(conversation: Conversation, { seq, at, data }: LogRow): NewEvent | undefined {
  const where = { conversation: conversation.id, epoch: conversation.epoch, seq }
  if (data.startsWith(messageEntry)) {
    const text = `${JSON.stringify(where).slice(0, -1)},"message":${data}}`
    return newEvent(conversation, 'message.created', String(seq), at, text)
  }
  const { type, ...fields }: { readonly type: string; readonly ref?: number } = JSON.parse(data)
  const published = typeOfEntry[type]
  if (published === undefined) return undefined
  const { ref } = fields
  const named = ref === undefined ? {} : { message: messageId(conversation.id, ref) }
  return newEvent(conversation, published, String(seq), at, JSON.stringify({ ...where, ...named, ...fields }))
}

/** The seq of the message that an entry deletes; undefined for every other entry. */
export function deletedBy(data: string): number | undefined {
  if (!data.startsWith('{"type":"message.deleted"')) return undefined
  const { ref }: { readonly ref?: number } = JSON.parse(data)
  return ref
}

/** How the event of an entry is named. */
export const entryName = ({ id, epoch }: Conversation, seq: number) => ({
  source: `/conversations/${id}`,
  id: `${epoch}.${seq}`,
})

/** The event of the creation, with the members that the conversation has now. */
export function createdEvent(conversation: Conversation, members: readonly string[], memberCount: number): NewEvent {
  const { id, epoch, type, name, createdBy, createdAt: at } = conversation
  const data = { conversation: id, epoch, type, name, createdBy, at, memberCount, members }
  return newEvent(conversation, 'conversation.created', 'created', at, JSON.stringify(data))
}

export function deletedEvent(conversation: Conversation): NewEvent {
  const { id, epoch, deletedAt: at = 0 } = conversation
  const data = JSON.stringify({ conversation: id, epoch, at })
  return newEvent(conversation, 'conversation.deleted', 'deleted', at, data)
}

const newEvent = (
  { id, epoch }: Conversation,
  type: PublishedType,
  place: string,
  at: number,
  data: string,
): NewEvent => ({
  source: `/conversations/${id}`,
  id: `${epoch}.${place}`,
  type,
  key: id,
  version: 1,
  data,
  attributes: { time: new Date(at).toISOString(), subject: id },
})
