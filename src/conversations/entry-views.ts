import { z } from 'zod'
import type { EntryKind } from '../protocol/entry-kind.ts'
import { messageStateView, threadState } from '../protocol/conversation-views.ts'
import { commands } from './commands/table.ts'

/** Every kind of entry that a command writes, by its type: what is published in the channel of a conversation, where the offset is the seq. */
export const entryKinds: Readonly<Record<string, EntryKind>> = Object.fromEntries(
  commands.flatMap(({ entries }) => entries).map((kind) => [kind.shape.type.value, kind]),
)

/** The fields of all kinds; one that several kinds have is described by the first of them. */
const fields = Object.values(entryKinds).reduce<Record<string, z.ZodType>>(
  (known, { shape }) => ({ ...shape, ...known }),
  {},
)
const { type: _, user, at, ...others } = fields
const optional = Object.fromEntries(Object.entries(others).map(([name, field]) => [name, z.optional(field)]))

/** An entry of a conversation as HTTP shows it: edits applied, and deleted messages without their content. */
export const entryView = z
  .object({
    seq: z.int(),
    type: z.enum(Object.keys(entryKinds)),
    user,
    at,
    ...optional,
    editedAt: z.int().optional().describe('Milliseconds since the epoch'),
    ...messageStateView,
  })
  .meta({ id: 'Entry' })

/** `GET /v1/conversations/:id/messages`. */
export const entryPage = z.object({
  messages: z.array(entryView).describe('Newest first'),
  epoch: z.string(),
  last: z.int().describe('Seq of the newest entry of the conversation'),
  before: z.int().nullable().describe('Give it as `before` to read older entries; null when there are none'),
  after: z.int().nullable().describe('Give it as `after` to read newer entries; null when there are none'),
})

/** `GET /v1/conversations/:id/threads/:seq/replies`. */
export const replyPageView = z.object({
  replies: z.array(entryView).describe('Newest first'),
  before: z.int().nullable().describe('Give it as `before` to read older replies; null when there are none'),
  after: z.int().nullable().describe('Give it as `after` to read newer replies; null when there are none'),
  own: threadState.optional().describe('The caller’s part in the thread; absent for callers that are no members'),
})
