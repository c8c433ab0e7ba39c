import { z } from 'zod'
import { attachmentView } from '../protocol/conversation-views.ts'
import { defineEntry, type EntryOf, messageRef } from '../protocol/entry-kind.ts'

const deleted = z
  .literal(true)
  .optional()
  .describe('Set on a message that was deleted, and on its edits: the content is removed')

/** A message. `id` never changes; `clientId` is the sender's own id for it. */
export const messageSent = defineEntry('message', {
  id: z.string(),
  clientId: z.string(),
  text: z.string(),
  replyTo: z.int().optional().describe('Seq of the message it replies to'),
  thread: z.int().optional().describe('Seq of the message that begins the thread; only the thread shows the reply'),
  alsoInConversation: z.literal(true).optional().describe('Set on a reply that the conversation shows, too'),
  mentions: z
    .union([
      z.object({
        users: z.array(z.string()).optional(),
        here: z.boolean().optional(),
        channel: z.boolean().optional(),
      }),
      z.array(z.string()).describe('In messages of before 2026-12: user ids'),
    ])
    .optional(),
  attachments: z.array(attachmentView).optional(),
  silent: z.boolean().optional().describe('Set on a message that counts as neither unread nor as a mention'),
  data: z.unknown().optional().describe('JSON of your own, exactly as it was sent'),
  ended: z
    .enum(['cancelled', 'interrupted'])
    .optional()
    .describe('Set on a streaming message that was not completed: it was stopped, or its author fell silent'),
  deleted,
})
export type MessageSent = EntryOf<typeof messageSent>

/** Message `ref` (its seq) has another text now; an empty one once the message was deleted. */
export const messageEdited = defineEntry('message.edited', {
  ref: messageRef,
  text: z.string(),
  content: z.unknown().optional().describe('Set where the entry restores a deleted message: the message as it was'),
  deleted,
})

/** Message `ref` is deleted; its content is removed from the log. */
export const messageDeleted = defineEntry('message.deleted', {
  ref: messageRef,
  restorableUntil: z.int().optional().describe('Until when it can be restored, in milliseconds since the epoch'),
})
