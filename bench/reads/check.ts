import { isDeepStrictEqual } from 'node:util'
import { z } from 'zod'
import { pageSize, type ReadingName, type ReadRequest } from './reading.ts'
import { listOf, newest, readBy, textAt, type WrittenConversation } from './conversations.ts'

const message = z.object({
  seq: z.number(),
  user: z.string(),
  text: z.string(),
  at: z.number(),
  clientId: z.string(),
  id: z.string(),
  type: z.string(),
})
const publication = z.object({ offset: z.number(), data: message.omit({ seq: true }) })
const conversation = z.object({
  id: z.string(),
  type: z.string(),
  name: z.string(),
  last: z.number(),
  read: z.number(),
  unread: z.number(),
  at: z.number(),
  preview: z.object({ user: z.string(), text: z.string() }),
  members: z.array(z.string()),
  memberCount: z.number(),
})
const conversations = z.object({ conversations: z.array(conversation) })

const overSocket = z.union([
  z.object({ history: z.object({ publications: z.array(publication) }) }).transform(({ history }) => ({
    messages: history.publications.map(({ offset, data }) => ({ ...data, seq: offset })),
  })),
  z.object({ rpc: z.object({ data: conversations }) }).transform(({ rpc }) => rpc.data),
])
const overHttp = z.union([z.object({ messages: z.array(message) }), conversations, z.object({ unread: z.number() })])

/** What is wrong with an answer, compared with what was written; undefined when nothing is. */
export function fault(
  {
    reading,
    request,
    conversations,
  }: { reading: ReadingName; request: ReadRequest; conversations: readonly WrittenConversation[] },
  over: 'http' | 'socket',
  answer: string,
): string | undefined {
  const text = over === 'http' ? answer : `{${answer}`
  const read = (over === 'http' ? overHttp : overSocket).safeParse(JSON.parse(text))
  if (!read.success) return `${z.prettifyError(read.error)}: ${text.slice(0, 300)}`
  const received = reading === 'unread' ? unreadIn(read.data) : read.data
  const due = expected(reading, request, conversations)
  if (isDeepStrictEqual(received, due)) return undefined
  return `${request.user} read ${JSON.stringify(received).slice(0, 400)} instead of ${JSON.stringify(due).slice(0, 400)}`
}

/** A side without a sum returns its parts. */
const unreadIn = (answer: z.output<typeof overHttp>): unknown =>
  'conversations' in answer ? { unread: sum(answer.conversations.map(({ unread }) => unread)) } : answer

/** What must be read. */
export function expected(
  reading: ReadingName,
  { user, conversation, before }: ReadRequest,
  conversations: readonly WrittenConversation[],
): unknown {
  if (conversation !== undefined) return { messages: pageOf(conversation, before ?? conversation.messages + 1) }
  const list = listOf(conversations, user)
  if (reading === 'unread') return { unread: sum(list.map((each) => each.messages - readBy(each, user))) }
  return { conversations: list.slice(0, pageSize).map((each) => lineOf(each, user)) }
}

function pageOf(conversation: WrittenConversation, before: number) {
  const page = conversation.log.slice(Math.max(0, before - 1 - pageSize), before - 1).toReversed()
  return page.map(({ seq, at, clientId }) => ({
    seq,
    user: conversation.author,
    text: textAt(conversation, seq),
    at,
    clientId,
    id: `${conversation.id}.${seq}`,
    type: 'message',
  }))
}

function lineOf(conversation: WrittenConversation, user: string) {
  const { id, name, messages, members, author } = conversation
  const read = readBy(conversation, user)
  return {
    id,
    type: 'group',
    name,
    last: messages,
    read,
    unread: messages - read,
    at: newest(conversation),
    preview: { user: author, text: textAt(conversation, messages).slice(0, 140) },
    members: members.slice(0, 10),
    memberCount: members.length,
  }
}

const sum = (numbers: readonly number[]): number => numbers.reduce((total, each) => total + each, 0)
