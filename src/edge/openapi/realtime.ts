import type { z } from 'zod'
import {
  conversationEvents,
  conversationPage,
  conversationPublications,
  inboxEvents,
  readState,
  sentMessage,
  writtenEdit,
} from '../../protocol/conversation-views.ts'
import {
  deletePayload,
  editPayload,
  inboxListPayload,
  readPayload,
  sendPayload,
  typingPayload,
} from '../../protocol/payloads.ts'

/** A method that a client may call over its connection, `client.rpc(method, data)`. */
interface RealtimeMethod {
  readonly method: string
  readonly summary: string
  readonly data: z.ZodType
  readonly result?: z.ZodType
}

/** Every rpc method; a test holds the names against the methods of the gateway. */
export const realtimeMethods: readonly RealtimeMethod[] = [
  {
    method: 'message.send',
    summary: 'Send a message, or with deliverAt later',
    data: sendPayload,
    result: sentMessage,
  },
  { method: 'message.edit', summary: 'Edit your message', data: editPayload, result: writtenEdit },
  { method: 'message.delete', summary: 'Delete your message (owners and admins: any)', data: deletePayload },
  {
    method: 'conversation.read',
    summary: 'Mark everything up to a seq as read',
    data: readPayload,
    result: readState,
  },
  { method: 'conversation.typing', summary: 'Tell the subscribers that you are typing', data: typingPayload },
  { method: 'conversation.join', summary: 'Join a channel', data: typingPayload },
  { method: 'conversation.leave', summary: 'Leave a conversation', data: typingPayload },
  {
    method: 'inbox.list',
    summary: 'List your conversations, newest activity first',
    data: inboxListPayload,
    result: conversationPage,
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
    schemas: conversationPublications,
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
    text: 'In the channel user:#<user>, to which a connection is subscribed by the server. Each event is the whole state of one conversation in the list of the user.',
    schemas: inboxEvents,
  },
]
