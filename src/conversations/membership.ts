import { z } from 'zod'
import { defineEntry, type EntryOf } from '../protocol/entry-kind.ts'
import { refuse, type Refusal } from '../protocol/errors.ts'
import { sizes } from '../protocol/limits.ts'
import { refuseBanned } from './bans.ts'
import { may, mayRule } from './permissions.ts'
import { type AppliedCommands, type ConversationState, mayRead, record, save, toRow } from './state.ts'
import type { Actor, Conversation, Member } from './types.ts'

/** A member joined (not presence). */
export const memberJoined = defineEntry('member.joined', { member: z.string() })

/** A member left for good (not presence). */
export const memberLeft = defineEntry('member.left', { member: z.string() })

type MemberChanged = EntryOf<typeof memberJoined> | EntryOf<typeof memberLeft>

/** A member has another role from now on. */
export const roleChanged = defineEntry('member.role', { member: z.string(), role: z.string() })

/**
 * Adds those of `users` that are not members yet; returns a refusal or nothing. The right `addMembers` adds members, and every
 * user may join a channel. None is added where one of them is banned.
 */
export function addMembers(
  state: ConversationState,
  actor: Actor,
  users: readonly string[],
  applied: AppliedCommands,
): Refusal | undefined {
  const { conversation, members, log, now } = state
  const isJoin = conversation.type === 'channel' && users.length === 1 && users[0] === actor.user
  const denied =
    mayRead(state, actor) ?? keepsItsTwo(conversation) ?? (isJoin ? undefined : may(state, actor, 'addMembers'))
  if (denied !== undefined) return denied

  const newcomers = [...new Set(users)].filter((user) => members.get(user) === undefined)
  const banned = newcomers.map((user) => refuseBanned(conversation, user, now)).find((refusal) => refusal !== undefined)
  if (banned !== undefined) return banned
  if (members.count() + newcomers.length > sizes.members)
    return refuse('limitExceeded', `a conversation has at most ${sizes.members} members`)
  if (newcomers.length === 0) return undefined
  const top = log.top()
  save(state, {})
  for (const user of newcomers) {
    appendMemberChange(state, actor, 'member.joined', user, applied)
    members.put({ user, role: 'member', joinedAt: now, read: top, joined: top })
  }
  return undefined
}

/**
 * Removes a member; returns a refusal or nothing. Every member may leave; the right `removeMembers` removes others whose
 * role has no right that the caller lacks. When the last owner leaves, another member becomes owner.
 */
export function removeMember(
  state: ConversationState,
  actor: Actor,
  user: string,
  applied: AppliedCommands,
): Refusal | undefined {
  const { conversation, members } = state
  const role = members.get(user)?.role ?? ''
  const denied =
    mayRead(state, actor) ??
    keepsItsTwo(conversation) ??
    (user === actor.user ? undefined : (may(state, actor, 'removeMembers') ?? mayRule(state, actor, role)))
  if (denied !== undefined) return denied
  if (members.get(user) === undefined) return refuse('notFound', `${user} is not a member`)

  save(state, {})
  dismissMember(state, actor, user, applied)
  return undefined
}

/** Removes a member, with the entries. When the last owner goes, another member becomes owner. The caller has saved the conversation. */
export function dismissMember(state: ConversationState, actor: Actor, user: string, applied: AppliedCommands): void {
  const heir = isLastOwner(state, user) ? heirOf(state, user) : undefined
  if (heir !== undefined) changeRole(state, actor, heir, 'owner', applied)
  appendMemberChange(state, actor, 'member.left', user, applied)
  dismiss(state, user, applied)
}

/** Removes a member's row and ends the subscriptions they have here, also those of sockets opened earlier. */
function dismiss(state: ConversationState, user: string, applied: AppliedCommands): void {
  const { epoch, version } = state.conversation
  state.members.remove(user)
  state.noteRemoval(user, version)
  applied.events.push({ kind: 'removed', user, before: { epoch, offset: state.log.top() } })
}

/** Gives a member another role, with its entry. */
export function changeRole(
  state: ConversationState,
  actor: Actor,
  member: Member,
  role: string,
  applied: AppliedCommands,
): void {
  const entry: EntryOf<typeof roleChanged> = {
    type: 'member.role',
    user: actor.user,
    at: state.now,
    member: member.user,
    role,
  }
  record(state, toRow(state.log.top() + 1, actor, entry), applied)
  state.members.put({ ...member, role })
}

function appendMemberChange(
  state: ConversationState,
  actor: Actor,
  type: MemberChanged['type'],
  member: string,
  applied: AppliedCommands,
): void {
  const entry: MemberChanged = { type, user: actor.user, at: state.now, member }
  record(state, toRow(state.log.top() + 1, actor, entry), applied)
}

/** Checked after `mayRead`: others are not to learn that the conversation exists, and its id follows from the user ids. */
const keepsItsTwo = ({ type }: Conversation): Refusal | undefined =>
  type === 'direct' ? refuse('notAllowed', 'a direct conversation keeps its two members') : undefined

/** Whether `user` is an owner and no other member is. */
export const isLastOwner = ({ members }: Pick<ConversationState, 'members'>, user: string): boolean =>
  members.get(user)?.role === 'owner' &&
  !members.some(sizes.members).some((member) => member.role === 'owner' && member.user !== user)

/** The member that ownership passes to: the longest-standing admin, else the longest-standing member. */
export function heirOf({ members }: Pick<ConversationState, 'members'>, leaving: string): Member | undefined {
  const others = members.some(sizes.members).filter(({ user }) => user !== leaving)
  const admins = others.filter(({ role }) => role === 'admin')
  const candidates = admins.length > 0 ? admins : others
  return candidates.reduce<Member | undefined>(
    (first, member) => (first === undefined || member.joinedAt < first.joinedAt ? member : first),
    undefined,
  )
}

/** Refuses an API key where the caller's own membership is meant. */
export const withoutUser = ({ user, server }: Actor): Refusal | undefined =>
  server && user === ''
    ? refuse('badRequest', 'an API key joins and leaves nothing; use /members to name a user')
    : undefined
