import { z } from 'zod'
import { defineEntry, type EntryOf, messageRef } from '../../protocol/entry-kind.ts'
import { refuse, type Refusal } from '../../protocol/errors.ts'
import { sizes } from '../../protocol/limits.ts'
import { reactPayload } from '../../protocol/payloads.ts'
import { writtenEdit } from '../../protocol/conversation-views.ts'
import { noMessage } from '../amendment.ts'
import { defineCommand } from '../command.ts'
import type { OwnReaction } from '../message-states.ts'
import { type ConversationState, mayWrite, placed, record, toRow } from '../state.ts'

const reaction = z.string().describe('The reaction')

/** `user` reacted to message `ref`. */
export const reactionAdded = defineEntry('reaction.added', {
  ref: messageRef,
  reaction,
  only: z.literal(true).optional().describe('It replaces the other reactions of the user to the message'),
  deleted: z.literal(true).optional().describe('Set once the user was erased: the reaction is removed'),
})

/** Reacts to a message. The same reaction again is the one that stands already. */
export const react = defineCommand({
  name: 'message.react',
  summary: 'React to a message',
  input: reactPayload,
  output: writtenEdit,
  limit: 'message',
  entries: [reactionAdded],
  onBehalf: true,
  http: {
    id: 'addReaction',
    method: 'post',
    path: '/v1/conversations/{id}/messages/{seq}/reactions',
    tag: 'Messages',
    description:
      'Answers with the place of the reaction in the log; the same reaction again is the same one. With only it replaces the other reactions of the user to the message. An API key names the member in user.',
    errors: ['too-many-reactions'],
    example: { body: { reaction: '👍' }, response: { seq: 3, at: 1764460800000 } },
  },
  apply(state, actor, { seq, reaction, only }, applied) {
    const { log, amendments, messages, now } = state
    const denied =
      mayWrite(state, actor, 'react') ??
      (actor.user === '' ? refuse('badRequest', 'user: an API key must name the member that reacts') : undefined) ??
      noMessage(amendments.target(seq))
    if (denied !== undefined) return denied
    const own = messages.reactions.of(seq, actor.user)
    const known = own.find((each) => each.reaction === reaction)
    if (known !== undefined && (only !== true || own.length === 1)) {
      log.confirm()
      return placed(known)
    }
    const full = known === undefined ? tooMany(state, seq, reaction, only === true ? [] : own) : undefined
    if (full !== undefined) return full

    const entry: EntryOf<typeof reactionAdded> = {
      type: 'reaction.added',
      user: actor.user,
      at: now,
      ref: seq,
      reaction,
      ...(only === true ? { only } : {}),
    }
    const row = toRow(log.top() + 1, actor, entry)
    record(state, row, applied)
    if (only === true)
      for (const other of own) if (other !== known) messages.reactions.remove(seq, actor.user, other.reaction)
    if (known === undefined) messages.reactions.add(seq, { user: actor.user, reaction, seq: row.seq, at: now })
    return placed(row)
  },
})

function tooMany(
  { messages }: ConversationState,
  ref: number,
  reaction: string,
  own: readonly OwnReaction[],
): Refusal | undefined {
  if (own.length >= sizes.ownReactions)
    return refuse('tooManyReactions', `reaction: at most ${sizes.ownReactions} of one user; take one back first`)
  const counts = messages.reactions.counts(ref)
  return counts.length >= sizes.reactions && !counts.some((each) => each.reaction === reaction)
    ? refuse('tooManyReactions', `reaction: a message has at most ${sizes.reactions} different ones; use one of them`)
    : undefined
}
