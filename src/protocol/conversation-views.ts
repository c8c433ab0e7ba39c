import { z } from 'zod'
import { seqParam } from './api.ts'
import { conversationId } from './payloads.ts'

/** Path parameters: a conversation, and an entry of its log. */
export const conversationParams = z.object({ id: conversationId })
export const messageParams = conversationParams.extend({ seq: seqParam })

const time = z.int().describe('Milliseconds since the epoch')
const kind = z.enum(['direct', 'group', 'channel'])

/** A member of a conversation. */
export const memberView = z
  .object({
    user: z.string(),
    role: z.string().describe('owner, admin, moderator, member, reader, or a role of the conversation’s own'),
    joinedAt: time,
    read: z.int().describe('The member has read up to this seq'),
    joined: z.int().describe('The last seq before the member joined'),
  })
  .meta({ id: 'Member' })

/** A conversation with its first hundred members. */
export const conversationView = z
  .object({
    id: z.string(),
    type: kind,
    name: z.string(),
    epoch: z.string().describe('Changes when the conversation is created again under the same id'),
    createdBy: z.string().describe('Empty for your server'),
    createdAt: time,
    last: z.int().describe('Seq of the newest entry'),
    read: z.int().describe('The caller has read up to this seq'),
    members: z.array(memberView).describe('The first hundred, by user id'),
    memberCount: z.int(),
    topic: z.string().optional(),
    avatar: z.string().optional().describe('The address of a picture'),
    properties: z.looseObject({}).optional().describe('Custom properties of your own, as they were given'),
    frozen: z.literal(true).optional().describe('Only roles with the right `ignoreFreeze` may write'),
    slowModeSeconds: z.int().optional().describe('Seconds between two messages of a member'),
    rights: z
      .record(z.string(), z.array(z.string()).readonly())
      .optional()
      .describe('The rights of roles that are not as by default'),
  })
  .meta({ id: 'Conversation' })

/** A banned user. */
export const bannedUser = z
  .object({
    user: z.string(),
    until: time.nullable().describe('Milliseconds since the epoch; null for a ban without an end'),
  })
  .meta({ id: 'BannedUser' })

const at = 1_790_000_000_000

/** A conversation in examples. */
export const exampleConversation = {
  id: '0199a3c2-0000-7000-8000-000000000001',
  type: 'group',
  name: 'Lunch',
  epoch: 'f3a1',
  createdBy: 'alice',
  createdAt: at,
  last: 2,
  read: 0,
  members: [
    { user: 'alice', role: 'owner', joinedAt: at, read: 2, joined: 0 },
    { user: 'bob', role: 'member', joinedAt: at, read: 0, joined: 0 },
  ],
  memberCount: 2,
} as const

/** An entry in examples. */
export const exampleMessage = {
  seq: 2,
  type: 'message',
  id: '0199a3c2-0000-7000-8000-000000000001.2',
  user: 'alice',
  clientId: 'c1',
  at,
  text: 'Hungry?',
} as const

/** A conversation as the list of a user shows it. */
export const listedConversation = z
  .object({
    id: z.string(),
    type: kind,
    name: z.string(),
    last: z.int(),
    read: z.int(),
    unread: z.int().describe('Messages of other users after `read` that are not deleted'),
    mentions: z.int().describe('Those of them that mention the user, by name or as one of all members'),
    at: time.describe('When the last entry was written, in milliseconds since the epoch'),
    preview: z.object({ user: z.string(), text: z.string() }).nullable().describe('The newest message, shortened'),
    members: z.array(z.string()).describe('Up to ten user ids'),
    memberCount: z.int(),
  })
  .meta({ id: 'ListedConversation' })

const nextCursor = z.string().nullable().describe('Cursor of the next page; null on the last one')

/** `GET /v1/conversations`. */
export const conversationPage = z.object({ conversations: z.array(listedConversation), next: nextCursor })

/** `GET /v1/conversations/:id/members`. */
export const memberPage = z.object({ members: z.array(memberView), next: nextCursor })

/** An attachment of a message: a file somewhere else, at `url`, or one that was uploaded, which links are asked for by `upload`. */
export const attachmentView = z
  .object({
    type: z.string(),
    url: z.string().optional().describe('Of a file somewhere else, as it was sent'),
    upload: z.string().optional().describe('Of an uploaded file: its id'),
    name: z.string().optional(),
    size: z.int().optional(),
    width: z.int().optional().describe('Of an uploaded picture, in pixels'),
    height: z.int().optional(),
  })
  .meta({ id: 'Attachment' })
export type AttachmentView = z.output<typeof attachmentView>

/** The answer to a message in examples. */
export const exampleSentMessage = {
  id: '0198c7f0-0000-7000-8000-000000000000.1',
  seq: 1,
  epoch: 'k3J9xQ2a',
  at: 1764460800000,
  duplicate: false,
} as const

/** A message that was sent. */
export const sentMessage = z
  .object({
    id: z.string(),
    seq: z.int(),
    epoch: z.string(),
    at: time,
    duplicate: z.boolean().describe('The same clientId was sent before'),
  })
  .meta({ id: 'SentMessage' })

/** How long the text of a streaming message is. */
export const streamedLength = z
  .object({
    length: z.int().describe('Of the text, in UTF-16 units: the offset of the next append'),
    duplicate: z.boolean().describe('The message was begun before'),
    seq: z.int().optional().describe('Set once it has ended: the seq of the message'),
  })
  .meta({ id: 'StreamedLength' })

/** A streaming message that was stopped. */
export const streamedEnd = z.object({
  seq: z.int().nullable().describe('Seq of the message; null where there was no text'),
})

/** The messages of a conversation that grow now. */
export const streamingList = z.object({
  streaming: z.array(
    z.object({
      user: z.string(),
      clientId: z.string(),
      at: time,
      offset: z.int().describe('Where the text begins'),
      text: z.string(),
      length: z.int().describe('Of the whole text'),
      replyTo: z.int().optional(),
      thread: z.int().optional(),
    }),
  ),
})

/** A message that waits for its time. */
export const scheduledMessage = z
  .object({ job: z.string(), state: z.string(), deliverAt: time, duplicate: z.boolean() })
  .meta({ id: 'ScheduledMessage' })

/** `POST /v1/conversations/:id/read`. */
export const readState = z.object({
  read: z.int().describe('Never less than before'),
  unread: z.int(),
  mentions: z.int(),
})

/** An edit that was written. */
export const writtenEdit = z.object({ seq: z.int().describe('Seq of the edit'), at: time })

const reactionText = z.string()

/** A page of the reactions to a message, each with its user. */
export const reactionPage = z.object({
  counts: z.array(z.object({ reaction: reactionText, count: z.int() })).describe('In the order in which they came'),
  reactions: z.array(
    z.object({ user: z.string(), reaction: reactionText, seq: z.int().describe('Seq of the reaction'), at: time }),
  ),
  next: nextCursor,
})

const edit = z.object({
  text: z.string(),
  user: z.string().describe('Who wrote it; empty for your server'),
  at: time,
  seq: z.int().optional().describe('Seq of the message or edit; absent on an edit of before 2026-12'),
})

/** The texts of a message, the oldest first. */
export const editList = z.object({ edits: z.array(edit) })

/** `GET /v1/conversations/:id/pins`. */
export const pinList = z.object({
  pins: z.array(
    z.object({
      ref: z.int().describe('Seq of the message'),
      user: z.string().describe('Who pinned it; empty for your server'),
      seq: z.int().describe('Seq of the pin'),
      at: time,
      until: time.optional(),
    }),
  ),
})

const threadPart = {
  read: z.int().describe('The user has read the replies up to this seq'),
  unread: z.int().describe('Replies after `read` that are not deleted'),
} as const

/** A user's part in a thread. */
export const threadState = z.object({ follows: z.boolean(), ...threadPart }).meta({ id: 'ThreadState' })

/** `GET /v1/conversations/:id/threads`. */
export const threadPage = z.object({
  threads: z.array(
    z.object({
      thread: z.int().describe('Seq of the message that begins the thread'),
      last: z.int().describe('Seq of the newest reply'),
      ...threadPart,
    }),
  ),
  unread: z.int().describe('How many of all the threads that the user follows have unread replies'),
  next: nextCursor,
})

/** What a message has beside its text, in a page over HTTP. */
export const messageStateView = {
  reactions: z
    .array(z.object({ reaction: reactionText, count: z.int(), own: z.boolean().describe('The caller is among them') }))
    .optional(),
  pinned: z.object({ user: z.string(), at: time, until: time.optional() }).optional(),
  edits: z.int().optional().describe('How many times it was edited'),
  replies: z
    .object({
      count: z.int().describe('Replies that are not deleted'),
      last: z.object({ seq: z.int(), user: z.string(), at: time }).describe('The newest of them'),
      users: z.array(z.string()).describe('Users that replied, in the order of their first replies, up to five'),
      userCount: z.int(),
    })
    .optional()
    .describe('The thread that the message begins'),
} as const

/** A connection that is subscribed to a channel. */
export const subscriber = z
  .object({
    user: z.string(),
    client: z.string(),
    conn_info: z.unknown().optional(),
    chan_info: z.unknown().optional(),
  })
  .meta({ id: 'Subscriber' })

/** `GET /v1/conversations/:id/presence`. */
export const presenceView = z.object({
  connections: z.int(),
  users: z.int(),
  clients: z
    .array(
      subscriber
        .extend({ since: time.describe('When it subscribed; after a restart of its gateway, when it connected') })
        .meta({ id: 'PresentSubscriber' }),
    )
    .describe('The connections; empty when there are more than 1,000'),
})

/** Ephemeral events in the channel of a conversation: sent to current subscribers, without an offset, and never recovered. */
export const conversationEvents = {
  typing: z.object({ type: z.literal('typing'), user: z.string() }),
  'thread.read': z.object({
    type: z.literal('thread.read'),
    user: z.string(),
    thread: z.int().describe('Seq of the message that begins the thread'),
    seq: z.int().describe('The user has read the replies up to this seq'),
  }),
  read: z.object({
    type: z.literal('read'),
    user: z.string(),
    seq: z.int().describe('The user has read everything up to this seq'),
  }),
  'message.streaming': z.object({
    type: z.literal('message.streaming'),
    user: z.string(),
    clientId: z.string(),
    at: time.optional().describe('When it began, in milliseconds since the epoch'),
    offset: z.int().optional().describe('Where the text belongs, in UTF-16 units'),
    text: z.string().optional(),
    replyTo: z.int().optional().describe('At the beginning: seq of the message it replies to'),
    thread: z.int().optional().describe('At the beginning: seq of the message that begins the thread'),
    ended: z.literal(true).optional().describe('It has ended without a message'),
  }),
} as const

/** Events in the channel `user:#<user>` of a user. */
export const inboxEvents = {
  unread: z.object({
    type: z.literal('unread'),
    conversation: z.string(),
    last: z.int().describe('Seq of the newest entry'),
    read: z.int(),
    unread: z.int().describe('Messages of other users after `read` that are not deleted'),
    mentions: z.int().describe('Those of them that mention the user, by name or as one of all members'),
    at: time,
    preview: z.object({ user: z.string(), text: z.string() }).nullable(),
    name: z.string(),
    conversationType: kind,
    members: z.array(z.string()),
    memberCount: z.int(),
  }),
  removed: z.object({
    type: z.literal('removed'),
    conversation: z.string().describe('The user is no longer a member of it, or it was deleted'),
  }),
} as const
