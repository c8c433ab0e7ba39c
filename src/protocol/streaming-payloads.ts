import { z } from 'zod'
import { controls } from '../kernel/text.ts'
import { sizes } from './limits.ts'
import { conversationId, messageContent, userId } from './payloads.ts'

/** The clientId of a streaming message, which stands in paths. */
export const streamingId = z
  .string()
  .regex(/^[A-Za-z0-9_-]{1,64}$/, 'up to 64 letters, digits, "_" and "-"')
  .describe('The author’s own id for the message')

/** A part of a text: marks of direction may be closed in a later one. */
const part = z
  .string()
  .max(sizes.textBytes, `at most ${sizes.textBytes} characters at once`)
  .refine(
    (text) => text.isWellFormed() && !controls.test(text),
    'must be well-formed Unicode without control characters, with LF as the end of lines; a part must not end within a character',
  )
  .describe('May be empty, which says that the message goes on')

const named = { conversation: conversationId, clientId: streamingId }

/** `rpc message.begin`. */
export const beginPayload = messageContent.omit({ text: true }).extend(named)
/** `rpc message.append`. */
export const appendPayload = z.strictObject({
  ...named,
  offset: z.int().nonnegative().describe('Where the text belongs, in UTF-16 units'),
  text: part,
})
/** `rpc message.complete`. */
export const completePayload = messageContent.pick({ mentions: true, attachments: true, data: true }).extend(named)
/** `rpc message.cancel`. */
export const cancelPayload = z.strictObject({
  ...named,
  author: userId.optional().describe('Whose message it is; the caller’s where it is left out'),
})
/** `rpc message.streaming`. */
export const streamingPayload = z.strictObject({
  conversation: conversationId,
  clientId: streamingId.optional(),
  from: z.coerce.number().int().nonnegative().default(0).describe('The offset from which texts are wanted'),
})
