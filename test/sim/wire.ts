import { z } from 'zod'
import type { Entry } from '../support/history.ts'
import { tenant } from './neighbours.ts'

export const entryData = z.looseObject({
  type: z.string(),
  clientId: z.string().optional(),
  text: z.string().optional(),
  deleted: z.boolean().optional(),
  ref: z.number().optional(),
})
export type EntryData = z.output<typeof entryData>

/** A publication on the wire. */
export const pub = z.object({
  offset: z.number().default(0),
  data: entryData,
  info: z.object({ user: z.string() }).optional(),
})
export type Pub = z.output<typeof pub>
/** The result of a subscribe, alone or inside a connect's; a stream that keeps nothing has no places. */
export const subscribed = z.object({
  epoch: z.string().default(''),
  offset: z.number().default(0),
  recovered: z.boolean().default(false),
  data: z.looseObject({ streaming: z.boolean().optional() }).default({}),
  publications: z.array(pub).default([]),
})
export type Subscribed = z.output<typeof subscribed>

/** A conversation as the list and `unread` events name it. */
export const listed = z.looseObject({
  id: z.string(),
  last: z.number(),
  read: z.number(),
  unread: z.number(),
  mentions: z.number().default(0),
})
/** A page of a list. */
export const listPage = z.object({ conversations: z.array(listed) })

/** A page of a log, as its conversation answers it. */
export const statesPage = z.object({
  top: z.number(),
  publications: z.array(z.object({ offset: z.number() })),
  states: z.array(z.unknown()).default([]),
})

/** One line from a gateway. */
export const heardLine = z.object({
  id: z.number().default(0),
  error: z.object({ code: z.number(), message: z.string() }).optional(),
  connect: z.object({ subs: z.record(z.string(), subscribed) }).optional(),
  subscribe: subscribed.optional(),
  unsubscribe: z.object({}).optional(),
  publish: z.object({}).optional(),
  history: z.object({ epoch: z.string(), offset: z.number(), publications: z.array(pub).default([]) }).optional(),
  rpc: z
    .object({ data: z.looseObject({ seq: z.number().optional(), conversations: z.array(listed).optional() }) })
    .optional(),
  push: z
    .object({ channel: z.string(), pub: pub.optional(), unsubscribe: z.object({ code: z.number() }).optional() })
    .optional(),
})
export type Line = z.output<typeof heardLine>

/** A publication as a history speaks of it. */
export function toEntry(channel: string, { offset, data, info }: Pub): Entry {
  const conversation = channel.slice('conversation:'.length)
  const user = info?.user ?? ''
  return {
    tenant,
    conversation,
    seq: offset,
    user,
    clientId: data.clientId ?? null,
    body: bodyOf(data, user, conversation),
  }
}

/** What a person says in a message. */
export const words = (user: string, clientId: string, conversation: string) =>
  `${user} says ${clientId} in ${conversation}`

/** What a history compares of an entry. The words of a deleted message are gone, for those that come later. */
export function bodyOf(
  { type, text, deleted, clientId = '', ref, ...data }: EntryData,
  user: string,
  conversation: string,
) {
  if (type === 'message.edited') return `edit of ${ref}`
  if (type === 'message' && deleted === true) return words(user, clientId, conversation)
  return text ?? JSON.stringify({ type, clientId, ref, ...data })
}
