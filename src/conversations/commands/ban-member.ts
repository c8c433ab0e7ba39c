import { z } from 'zod'
import { banChange } from '../../protocol/api.ts'
import { bannedUser } from '../../protocol/conversation-views.ts'
import { defineEntry, type EntryOf } from '../../protocol/entry-kind.ts'
import { refuse } from '../../protocol/errors.ts'
import { conversationId, userId } from '../../protocol/payloads.ts'
import { bansWith, maxBans } from '../bans.ts'
import { defineCommand } from '../command.ts'
import { dismissMember, memberLeft, roleChanged } from '../membership.ts'
import { may, mayRule } from '../permissions.ts'
import { done, mayRead, nothing, record, save, toRow } from '../state.ts'
import { emptyView } from '../view.ts'

/** A user is banned. */
export const memberBanned = defineEntry('member.banned', {
  member: z.string(),
  until: z.int().nullable().describe('Milliseconds since the epoch; null for a ban without an end'),
  reason: z.string().optional(),
})
/** A ban was ended. */
export const memberUnbanned = defineEntry('member.unbanned', { member: z.string() })

const onlyTwo = refuse('notAllowed', 'a direct conversation keeps its two members; block the user, or freeze it')

/** Bans a user: removes the member, and keeps the user out until a time or for good. */
export const banMember = defineCommand({
  name: 'member.ban',
  summary: 'Ban a user from a conversation (owner, admin or moderator)',
  input: banChange.extend({ conversation: conversationId, user: userId }),
  output: bannedUser,
  limit: 'message',
  entries: [memberBanned, memberLeft, roleChanged],
  http: {
    id: 'banMember',
    method: 'put',
    path: '/v1/conversations/{id}/bans/{user}',
    tag: 'Members',
    description:
      'A member is removed. A banned user cannot join or be added, and cannot read a channel. The ban of the same user again replaces the one before.',
    errors: ['conflict'],
    optionalBody: true,
    example: {
      body: { until: 1_790_000_000_000, reason: 'Spam' },
      response: { user: 'bob', until: 1_790_000_000_000 },
    },
  },
  apply(state, actor, { user, until = null, reason }, applied) {
    const { conversation, members, log, now } = state
    const denied =
      mayRead(state, actor) ??
      (conversation.type === 'direct' ? onlyTwo : undefined) ??
      may(state, actor, 'moderate') ??
      (user === actor.user
        ? refuse('notAllowed', 'user: you cannot ban yourself; leave the conversation')
        : undefined) ??
      mayRule(state, actor, members.get(user)?.role ?? '') ??
      (until !== null && until <= now
        ? refuse('invalidPayload', 'until: a time in the future, or left out')
        : undefined)
    if (denied !== undefined) return denied
    const bans = bansWith(conversation, user, until, now)
    if (Object.keys(bans).length > maxBans)
      return refuse('limitExceeded', `a conversation has at most ${maxBans} bans; end some, or remove members`)
    const entry: EntryOf<typeof memberBanned> = {
      type: 'member.banned',
      user: actor.user,
      at: now,
      member: user,
      until,
      ...(reason === undefined ? {} : { reason }),
    }
    save(state, { bans })
    record(state, toRow(log.top() + 1, actor, entry), applied)
    if (members.get(user) === undefined)
      applied.events.push({ kind: 'removed', user, before: { epoch: conversation.epoch, offset: log.top() } })
    else dismissMember(state, actor, user, applied)
    return done({ user, until })
  },
})

/** Ends a ban. */
export const unbanMember = defineCommand({
  name: 'member.unban',
  summary: 'End the ban of a user (owner, admin or moderator)',
  input: z.strictObject({ conversation: conversationId, user: userId }),
  output: emptyView,
  limit: 'message',
  entries: [memberUnbanned],
  http: {
    id: 'unbanMember',
    method: 'delete',
    path: '/v1/conversations/{id}/bans/{user}',
    tag: 'Members',
    description:
      'The user may join or be added again, and is not a member by that. A user that is not banned stays so.',
    responses: { 204: null },
  },
  apply(state, actor, { user }, applied) {
    const { conversation, log, now } = state
    const denied =
      mayRead(state, actor) ?? (conversation.type === 'direct' ? onlyTwo : undefined) ?? may(state, actor, 'moderate')
    if (denied !== undefined) return denied
    if (!Object.hasOwn(conversation.bans ?? {}, user)) return nothing
    save(state, { bans: bansWith(conversation, user, undefined, now) })
    const entry: EntryOf<typeof memberUnbanned> = { type: 'member.unbanned', user: actor.user, at: now, member: user }
    record(state, toRow(log.top() + 1, actor, entry), applied)
    return nothing
  },
})

/** The users that are banned now. */
export const listBans = defineCommand({
  name: 'conversation.bans',
  summary: 'List banned users (owner, admin or moderator)',
  input: z.strictObject({ conversation: conversationId }),
  output: z.object({ bans: z.array(bannedUser) }),
  limit: 'command',
  http: { id: 'listBans', method: 'get', path: '/v1/conversations/{id}/bans', tag: 'Members' },
  apply(state, actor) {
    const { conversation, now } = state
    const denied = may(state, actor, 'moderate')
    if (denied !== undefined) return denied
    const bans = Object.entries(conversation.bans ?? {}).filter(([, until]) => until === null || until > now)
    return done({ bans: bans.map(([user, until]) => ({ user, until })) })
  },
})
