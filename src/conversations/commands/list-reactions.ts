import { reactionPage } from '../../protocol/conversation-views.ts'
import { reactionsPayload, reactionsQuery } from '../../protocol/payloads.ts'
import { refuse } from '../../protocol/errors.ts'
import { noMessage } from '../amendment.ts'
import { defineCommand } from '../command.ts'
import type { ReactionCursor } from '../message-states.ts'
import { done, mayRead } from '../state.ts'

/** Reads who reacted to a message, by user id. */
export const listReactions = defineCommand({
  name: 'message.reactions',
  summary: 'List who reacted to a message',
  input: reactionsPayload,
  output: reactionPage,
  limit: 'command',
  http: {
    id: 'listReactions',
    method: 'get',
    path: '/v1/conversations/{id}/messages/{seq}/reactions',
    tag: 'Messages',
    query: reactionsQuery,
    example: {
      response: {
        counts: [{ reaction: '👍', count: 1 }],
        reactions: [{ user: 'bob', reaction: '👍', seq: 3, at: 1764460800000 }],
        next: null,
      },
    },
  },
  apply(state, actor, { seq, reaction, cursor, limit }) {
    const { amendments, messages } = state
    const denied = mayRead(state, actor) ?? noMessage(amendments.target(seq))
    if (denied !== undefined) return denied
    const after = readCursor(cursor)
    if (after === undefined) return refuse('badRequest', 'cursor: give the next of the page before, or leave it out')
    const found = messages.reactions.after(seq, after, limit + 1, reaction)
    const page = found.slice(0, limit)
    const last = page.at(-1)
    const next = found.length > limit && last !== undefined ? `${last.user} ${last.reaction}` : null
    return done({ counts: messages.reactions.counts(seq), reactions: page, next })
  },
})

/** A cursor is the user and the reaction of the last line; neither has spaces. */
function readCursor(text: string): ReactionCursor | undefined {
  if (text === '') return { user: '', reaction: '' }
  const [user = '', reaction, ...more] = text.split(' ')
  return reaction === undefined || more.length > 0 ? undefined : { user, reaction }
}
