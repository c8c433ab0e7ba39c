import type { Mentions } from '../events/activity.ts'
import { z } from 'zod'
import { withLineFeeds } from '../kernel/text-transforms.ts'
import { byteLength, isBlank, isPlainText } from '../kernel/text.ts'
import { onOneLine } from './carried.ts'
import { jsonUpTo } from './given-json.ts'
import { sizes } from './limits.ts'

/** A user id as the tenant chose it: printable ASCII without spaces, ≤ 128 characters. No path leads to one that is only dots (RFC 3986, 5.2.4). */
export const userId = z
  .string()
  .min(1)
  .max(sizes.userLength)
  .regex(/^(?!\.\.?$)[\x21-\x7e]+$/, 'printable ASCII without spaces only, and neither "." nor ".."')

/** What a conversation id looks like: ours are UUIDs. */
export const conversationPattern = /^[A-Za-z0-9_-]{1,64}$/
export const conversationId = z.string().regex(conversationPattern, 'not a conversation id')

const text = z
  .string()
  .overwrite(withLineFeeds)
  .refine((value) => !isBlank(value), 'must not be empty')
  .refine((value) => byteLength(value) <= sizes.textBytes, `at most ${sizes.textBytes} bytes of UTF-8`)
  .refine(
    isPlainText,
    'must be well-formed Unicode without control characters, overrides of direction, and isolates that are not closed',
  )

/** Bytes of JSON of the custom properties of a user or a conversation. */
export const propertiesBytes = 8192

/** A name that is shown, on one line. */
export const displayName = z
  .string()
  .trim()
  .min(1)
  .refine((value) => !isBlank(value), 'must not be empty')
  .refine(
    (value) => isPlainText(value) && !/[\n\t]/.test(value),
    'must be one line of well-formed Unicode without control characters, overrides of direction, and isolates that are not closed',
  )

const attachment = z.union([
  z.strictObject({
    type: z.string().max(64),
    url: z.httpUrl().max(2048),
    name: displayName.max(255).optional(),
    size: z.int().nonnegative().optional(),
  }),
  z.strictObject({
    upload: z
      .string()
      .regex(/^[A-Za-z0-9_-]{22}$/, 'not an upload id')
      .describe('A file that was uploaded and is complete'),
  }),
])

/** Whom a message mentions. An array of user ids is the form of before 2026-12 and means `{ users }`. */
export const mentionsGiven = z
  .union([
    z.array(userId).max(50),
    z.strictObject({
      users: z.array(userId).max(50).optional(),
      here: z.boolean().optional().describe('The members that are connected'),
      channel: z.boolean().optional().describe('All members'),
    }),
  ])
  .transform((given): Mentions | undefined => {
    const { users = [], here, channel }: Mentions = Array.isArray(given) ? { users: given } : given
    if (users.length === 0 && here !== true && channel !== true) return undefined
    return {
      ...(users.length === 0 ? {} : { users: [...new Set(users)] }),
      ...(here === true ? { here } : {}),
      ...(channel === true ? { channel } : {}),
    }
  })

/** What a sender says in one message. `clientId` makes the send repeatable: same sender and id, same message. */
export const messageContent = z.strictObject({
  clientId: z.string().min(1).max(sizes.clientIdLength).refine(isPlainText, 'must be well-formed Unicode'),
  text,
  replyTo: z.int().positive().optional(),
  thread: z.int().positive().optional().describe('Seq of the message that begins the thread it is a reply in'),
  alsoInConversation: z
    .boolean()
    .optional()
    .describe('A reply in a thread that the conversation shows and counts, too'),
  mentions: mentionsGiven.optional(),
  attachments: z.array(attachment).max(10).optional(),
  silent: z.boolean().optional().describe('It counts as neither unread nor as a mention'),
  /** Comes out as the text it was; see `readGiven`. */
  data: jsonUpTo(sizes.dataBytes).transform(onOneLine).optional(),
})
type Content = z.output<typeof messageContent>

/** What a sender says, as the conversation is given it; `dataText` is the JSON text of its `data`, on one line. */
export type MessageContent = Omit<Content, 'data'> & { readonly dataText?: string }

/** What was read by `messageContent`, without what else was given beside it. */
export function toContent<C extends Content>({ data, ...content }: C): Omit<C, 'data'> & MessageContent {
  return data === undefined ? content : { ...content, dataText: data }
}

/** When a message should be sent instead of now: milliseconds since the epoch, at most 90 days ahead. */
export const deliverAt = z.int().positive()

/** `rpc message.send`. */
export const sendPayload = messageContent.extend({ conversation: conversationId, deliverAt: deliverAt.optional() })
/** `publish` to a conversation's channel: the same without naming the conversation again. */
export const publishPayload = messageContent.extend({ type: z.literal('message').optional() })
/** `rpc message.edit`. */
export const editPayload = z.strictObject({ conversation: conversationId, seq: z.int().positive(), text })
/** `rpc message.delete`. */
export const deletePayload = z.strictObject({
  conversation: conversationId,
  seq: z.int().positive(),
  restorableFor: z
    .int()
    .min(1)
    .max(2_592_000)
    .optional()
    .describe(
      'Seconds for which the message can be restored, at most 30 days; without it the content is removed at once',
    ),
})
/** Query of `DELETE /v1/conversations/:id/messages/:seq`. */
export const deleteQuery = z.strictObject({
  restorableFor: z.coerce
    .number()
    .int()
    .min(1)
    .max(2_592_000)
    .optional()
    .describe(
      'Seconds for which the message can be restored, at most 30 days; without it the content is removed at once',
    ),
})
/** A reaction: an emoji, or a name such as `:party:`. No path leads to one that is only dots. */
export const reaction = z
  .string()
  .min(1)
  .max(sizes.reactionLength)
  .regex(/^(?!\.\.?$)[^\s/]+$/, 'without spaces and slashes, and neither "." nor ".."')
  .refine((value) => isPlainText(value) && !isBlank(value), 'must be well-formed Unicode that can be seen')
const ofMessage = { conversation: conversationId, seq: z.int().positive() }
/** `rpc message.edits`. */
export const messagePayload = z.strictObject(ofMessage)
/** `rpc message.react`. */
export const reactPayload = z.strictObject({
  ...ofMessage,
  reaction,
  only: z.boolean().optional().describe('Replaces the other reactions of the user to the message'),
})
/** `rpc message.unreact`. */
export const unreactPayload = z.strictObject({
  ...ofMessage,
  reaction,
  user: userId.optional().describe('Whose reaction it is; the caller where it is left out'),
})
/** `rpc message.reactions`. */
export const reactionsPayload = z.strictObject({
  ...ofMessage,
  reaction: reaction.optional(),
  cursor: z.string().max(300).default(''),
  limit: z.int().min(1).max(100).default(50),
})
/** `rpc message.pin`. */
export const pinPayload = z.strictObject({
  ...ofMessage,
  until: z.int().positive().optional().describe('When the pin ends, in milliseconds since the epoch'),
})
/** `rpc thread.follow`; `seq` is that of the message that begins the thread. */
export const followPayload = z.strictObject({
  ...ofMessage,
  follows: z.boolean().default(true).describe('false: the user follows it no more, whatever happens there'),
})
/** `rpc thread.read`. */
export const threadReadPayload = z.strictObject({
  ...ofMessage,
  upTo: z.int().nonnegative().describe('Seq of the newest reply that was read'),
})
/** `rpc conversation.threads`. */
export const threadsPayload = z.strictObject({
  conversation: conversationId,
  user: userId.optional().describe('Whose threads: the caller’s; an API key names the member'),
  cursor: z.string().max(40).default(''),
  limit: z.int().min(1).max(100).default(50),
})
/** Query of `GET /v1/conversations/:id/threads`. */
export const threadsQuery = z.strictObject({
  user: userId.optional().describe('An API key names the member'),
  cursor: z.string().max(40).default(''),
  limit: z.coerce.number().int().min(1).max(100).default(50),
})
/** `rpc conversation.read`. */
export const readPayload = z.strictObject({ conversation: conversationId, seq: z.int().nonnegative() })
/** `rpc conversation.typing`. */
export const typingPayload = z.strictObject({ conversation: conversationId })
/** `send {type: "typing"}`. */
export const signalPayload = z.strictObject({ type: z.literal('typing'), conversation: conversationId })
/** `rpc inbox.list`. */
export const inboxListPayload = z.strictObject({
  cursor: z.string().max(200).optional(),
  limit: z.int().min(1).max(100).default(50),
})

/** The new text of an edited message. */
export const editContent = z.strictObject({ text })
/** What a conversation is about, on one line. */
export const conversationTopic = displayName.max(sizes.topicLength)
/** The address of a picture. */
export const avatar = z.url({ protocol: /^https$/, error: 'an https address' }).max(2048)

/** Custom properties come out as the text they were, so that no number of an id is rounded; null removes them. */
export const customProperties = jsonUpTo(propertiesBytes)
  .pipe(
    z
      .string()
      .refine(
        (given) => given.startsWith('{') || given === 'null',
        'an object of custom properties, such as {"plan": "pro"}',
      ),
  )
  .transform((given) => (given === 'null' ? null : onOneLine(given)))
  .describe(`Custom properties: a JSON object of at most ${propertiesBytes} bytes, given back as it was`)

/** A conversation's display name. */
export const conversationName = displayName.max(sizes.nameLength)

/** Query of `GET /v1/conversations/:id/messages/:seq/reactions`. */
export const reactionsQuery = z.strictObject({
  reaction: reaction.optional(),
  cursor: z.string().max(300).default(''),
  limit: z.coerce.number().int().min(1).max(100).default(50),
})
