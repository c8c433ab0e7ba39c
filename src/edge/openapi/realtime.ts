import type { z } from 'zod'
import { commands } from '../../conversations/commands/table.ts'
import { entryKinds } from '../../conversations/entry-views.ts'
import { listConversations } from '../../inbox/list-conversations.ts'
import { feedEvent, notificationEvent } from '../../protocol/feed-api.ts'
import { acknowledgeCommand, acknowledged, pullCommand, pulledEvents } from '../../protocol/consumers-api.ts'
import { searchMessagesDefinition, searchPage } from '../../protocol/search-api.ts'
import { conversationEvents, conversationPage, inboxEvents } from '../../protocol/conversation-views.ts'

/** Every method that a client may call over its connection, `client.rpc(method, data)`. */
export const realtimeMethods: readonly {
  readonly method: string
  readonly summary: string
  readonly data: z.ZodType
  readonly result: z.ZodType
}[] = [
  ...commands.map(({ name, summary, input, output }) => ({ method: name, summary, data: input, result: output })),
  {
    method: listConversations.name,
    summary: listConversations.http.summary,
    data: listConversations.input,
    result: conversationPage,
  },
  {
    method: searchMessagesDefinition.name,
    summary: searchMessagesDefinition.http.summary,
    data: searchMessagesDefinition.input,
    result: searchPage,
  },
  {
    method: 'events.pull',
    summary: 'Lease events of a consumer; for tokens with a capability to pull from it',
    data: pullCommand,
    result: pulledEvents,
  },
  {
    method: 'events.acknowledge',
    summary: 'Settle leased events by their offsets: done, or failed and to be tried again',
    data: acknowledgeCommand,
    result: acknowledged,
  },
]

/** What a client receives, by channel. */
export const realtimeData: readonly {
  readonly id: string
  readonly title: string
  readonly text: string
  readonly schemas: Readonly<Record<string, z.ZodType>>
}[] = [
  {
    id: 'publications',
    title: 'Publications of a conversation',
    text: 'In the channel conversation:<id>. The offset of a publication is the seq of its entry; publications are kept, recovered after a reconnect, and read over HTTP.',
    schemas: entryKinds,
  },
  {
    id: 'events',
    title: 'Ephemeral events of a conversation',
    text: 'In the same channel, without an offset: only current subscribers receive them, and they are not recovered. Joins and leaves arrive as join and leave of the protocol.',
    schemas: conversationEvents,
  },
  {
    id: 'inbox',
    title: 'Events of a user',
    text: 'In the channel user:#<user>, to which a connection is subscribed by the server. unread is the whole state of one conversation in the list of the user; notification is an item that arrived in a feed, and feed says how items were marked. Those two are not recovered: read the feed again after a reconnect.',
    schemas: { ...inboxEvents, notification: notificationEvent, feed: feedEvent },
  },
]
