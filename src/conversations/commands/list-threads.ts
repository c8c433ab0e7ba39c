import { threadPage } from '../../protocol/conversation-views.ts'
import { refuse } from '../../protocol/errors.ts'
import { threadsPayload, threadsQuery } from '../../protocol/payloads.ts'
import { defineCommand } from '../command.ts'
import { done, mayRead } from '../state.ts'

/** Reads the threads that a member follows, the one with the newest reply first. */
export const listThreads = defineCommand({
  name: 'conversation.threads',
  summary: 'List the threads that you follow, the one with the newest reply first',
  input: threadsPayload,
  output: threadPage,
  limit: 'command',
  http: {
    id: 'listThreads',
    method: 'get',
    path: '/v1/conversations/{id}/threads',
    tag: 'Messages',
    description:
      'A user lists their own threads, an API key those of the member in user. Of more than 1,000 threads of a user in one conversation those that began last are listed and counted.',
    query: threadsQuery,
    example: { response: { threads: [{ thread: 2, last: 9, read: 7, unread: 1 }], unread: 1, next: null } },
  },
  apply(state, actor, { user = actor.user, cursor, limit }) {
    const denied = mayRead(state, actor)
    if (denied !== undefined) return denied
    if (user === '') return refuse('badRequest', 'user: an API key must name the member')
    if (!actor.server && user !== actor.user) return refuse('notAllowed', 'user: only your own threads')
    const before = cursor === '' ? [Infinity, Infinity] : cursor.split(' ').map(Number)
    const [last = NaN, thread = NaN] = before
    if (before.length !== 2 || Number.isNaN(last) || Number.isNaN(thread))
      return refuse('badRequest', 'cursor: give the next of the page before, or leave it out')
    const followed = state.members.get(user) === undefined ? [] : state.messages.threads.followedBy(user)
    const rest = followed.filter((each) => each.last < last || (each.last === last && each.root < thread))
    const page = rest.slice(0, limit)
    const end = page.at(-1)
    return done({
      threads: page.map(({ root, last: newest, read, unread }) => ({ thread: root, last: newest, read, unread })),
      unread: followed.filter(({ unread }) => unread > 0).length,
      next: rest.length > limit && end !== undefined ? `${end.last} ${end.root}` : null,
    })
  },
})
