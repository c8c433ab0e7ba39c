import { isDeepStrictEqual } from 'node:util'
import { z } from 'zod'
import { pageSize, type ReadingName, type Wish } from './reading.ts'
import { listOf, newest, readBy, textAt, type WrittenRoom } from './rooms.ts'

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
  { reading, wish, rooms }: { reading: ReadingName; wish: Wish; rooms: readonly WrittenRoom[] },
  over: 'http' | 'socket',
  answer: string,
): string | undefined {
  const text = over === 'http' ? answer : `{${answer}`
  const read = (over === 'http' ? overHttp : overSocket).safeParse(JSON.parse(text))
  if (!read.success) return `${z.prettifyError(read.error)}: ${text.slice(0, 300)}`
  const heard = reading === 'unread' ? unreadIn(read.data) : read.data
  const due = expected(reading, wish, rooms)
  if (isDeepStrictEqual(heard, due)) return undefined
  return `${wish.user} read ${JSON.stringify(heard).slice(0, 400)} instead of ${JSON.stringify(due).slice(0, 400)}`
}

/** A side without a sum returns its parts. */
const unreadIn = (answer: z.output<typeof overHttp>): unknown =>
  'conversations' in answer ? { unread: sum(answer.conversations.map(({ unread }) => unread)) } : answer

/** What must be read. */
export function expected(reading: ReadingName, { user, room, before }: Wish, rooms: readonly WrittenRoom[]): unknown {
  if (room !== undefined) return { messages: pageOf(room, before ?? room.messages + 1) }
  const list = listOf(rooms, user)
  if (reading === 'unread') return { unread: sum(list.map((each) => each.messages - readBy(each, user))) }
  return { conversations: list.slice(0, pageSize).map((each) => lineOf(each, user)) }
}

function pageOf(room: WrittenRoom, before: number) {
  const page = room.log.slice(Math.max(0, before - 1 - pageSize), before - 1).toReversed()
  return page.map(({ seq, at, clientId }) => ({
    seq,
    user: room.author,
    text: textAt(room, seq),
    at,
    clientId,
    id: `${room.id}.${seq}`,
    type: 'message',
  }))
}

function lineOf(room: WrittenRoom, user: string) {
  const { id, name, messages, members, author } = room
  const read = readBy(room, user)
  return {
    id,
    type: 'group',
    name,
    last: messages,
    read,
    unread: messages - read,
    at: newest(room),
    preview: { user: author, text: textAt(room, messages).slice(0, 140) },
    members: members.slice(0, 10),
    memberCount: members.length,
  }
}

const sum = (numbers: readonly number[]): number => numbers.reduce((total, each) => total + each, 0)
