import { z } from 'zod'

/** What a conversation notifies its members of; each has a workflow of its own, `$chat.<kind>`. */
export const chatNoticeKinds = ['direct', 'group', 'mention', 'reply', 'invitation', 'unread'] as const
export type ChatNoticeKind = (typeof chatNoticeKinds)[number]

/** The category of all of them, which users can switch off as a whole. */
export const chatCategory = '$chat'
export const chatWorkflow = (kind: ChatNoticeKind): `$chat.${ChatNoticeKind}` => `$chat.${kind}`

/** Members that one message of a conversation notifies at most, unless it mentions them by name. */
export const maxChatRecipients = 500

const isOn = z.boolean().default(true)

/** `PUT /v1/chat-notifications`: settings that are left out get their defaults. */
export const chatNotifications = z
  .strictObject({
    enabled: z.boolean().describe('Whether conversations notify their members'),
    triggers: z
      .strictObject({
        direct: isOn.describe('A message in a direct conversation'),
        group: isOn.describe('Any message in a small group or channel, see `groupUpTo`'),
        mention: isOn.describe('A message that mentions the member'),
        reply: isOn.describe('A reply to a message of the member'),
        invitation: isOn.describe('Another user added the member'),
        unread: isOn.describe('A message that notified, or would have, is not read after `unreadAfterMinutes`'),
      })
      .prefault({}),
    groupUpTo: z
      .int()
      .min(0)
      .max(100)
      .default(20)
      .describe('Groups and channels with more members notify of mentions and replies only'),
    everyoneUpTo: z
      .int()
      .min(0)
      .max(maxChatRecipients)
      .default(100)
      .describe('In conversations with more members a mention of all of them, and an invitation, notifies no member'),
    unreadAfterMinutes: z.int().min(1).max(10_080).default(10),
    againAfterMinutes: z
      .int()
      .min(1)
      .max(43_200)
      .default(60)
      .describe(
        'While a member has not read what notified them, the next messages of the conversation do not, for so long',
      ),
    link: z
      .string()
      .max(2000)
      .regex(/^https?:\/\/[^\s<>"]+$/i, 'an http or https address')
      .optional()
      .describe('Where a conversation is read in your app; `{conversation}` in it is replaced by the id'),
  })
  .meta({ id: 'ChatNotifications' })
export type ChatNotifications = z.output<typeof chatNotifications>

/** The settings as a conversation has them: since when they hold, in milliseconds since the epoch. */
export const chatRules = z.object({ ...chatNotifications.shape, since: z.number() })
export type ChatRules = z.output<typeof chatRules>

const time = z.int().describe('Milliseconds since the epoch')
const notice = z.object({
  notification: z.string().describe('The id of the notification'),
  at: time,
  upTo: z.int().describe('Seq of the newest message that it stands for'),
})

/** `GET /v1/chat-notifications/{conversation}/users/{user}`. */
export const chatExplanation = z
  .object({
    enabled: z
      .boolean()
      .describe('As the conversation knows it; it learns of a change when it next writes to Postgres'),
    isMember: z.boolean(),
    isPresent: z.boolean().describe('Whether the user has the conversation open now'),
    read: z.int().describe('The read cursor, a seq'),
    messages: z
      .array(
        z.object({
          seq: z.int(),
          kind: z.enum(chatNoticeKinds).nullable().describe('What it notifies the user of; null for nothing'),
          rule: z.string().describe('The rule that decides it'),
          isRead: z.boolean(),
        }),
      )
      .describe('The newest 20 messages, the newest first'),
    notified: z
      .object({ message: notice.nullable(), named: notice.nullable(), unread: notice.nullable() })
      .describe(
        'The last notification of messages, of mentions and replies, and of unread messages, while they hold back further ones',
      ),
    unreadAt: time.nullable().describe('When unread messages are looked for next'),
  })
  .meta({ id: 'ChatNotificationExplanation' })
export type ChatExplanation = z.output<typeof chatExplanation>
