import type { ConversationRenamed, MemberChanged, RoleChanged } from '../events/entry.ts'
import { refuse, type Refusal } from '../protocol/errors.ts'
import { sizes } from '../protocol/limits.ts'
import { mayManage, mayRead } from './access.ts'
import { toRow } from './send.ts'
import type { ConversationState } from './apply-commands.ts'
import type { Actor, Conversation, LogRow, Member, Role } from './types.ts'

/** A change of name, of members, or of what one of them may. */
export type Change =
  | { readonly kind: 'add'; readonly users: readonly string[] }
  | { readonly kind: 'remove'; readonly user: string }
  | { readonly kind: 'role'; readonly user: string; readonly role: Role }
  | { readonly kind: 'rename'; readonly name: string }

/** What a change means: the entries that tell of it, who is a member as given from now on, and who goes. */
export type ChangeDecision =
  | {
      readonly kind: 'accepted'
      readonly rows: readonly LogRow[]
      readonly members: readonly Member[]
      readonly leaves: readonly string[]
    }
  | Refusal

/** Decides a change of any kind. */
export function decideChange(room: ConversationState, actor: Actor, change: Change): ChangeDecision {
  switch (change.kind) {
    case 'add':
      return decideAdd(room, actor, change.users)
    case 'remove':
      return decideRemove(room, actor, change.user)
    case 'role':
      return decideRole(room, actor, change.user, change.role)
    case 'rename':
      return decideRename(room, actor, change.name)
  }
}

/** Owners and admins add members; in a channel every user may add herself. Those who are in already stay as they are. */
export function decideAdd(room: ConversationState, actor: Actor, users: readonly string[]): ChangeDecision {
  const { conversation, members } = room
  const self = conversation.type === 'channel' && users.length === 1 && users[0] === actor.user
  const denied =
    mayRead(conversation, members, actor) ??
    keepsItsTwo(conversation) ??
    (self ? undefined : mayManage(conversation, members, actor, ['owner', 'admin']))
  if (denied !== undefined) return denied

  const newcomers = users.filter((user) => members.get(user) === undefined)
  if (members.count() + newcomers.length > sizes.members)
    return refuse('limitExceeded', `a conversation has at most ${sizes.members} members`)
  const top = room.log.top()
  const joins = newcomers.map((user): Member => ({ user, role: 'member', joinedAt: room.now, read: top, joined: top }))
  return { kind: 'accepted', rows: tell(room, actor, 'member.joined', newcomers), members: joins, leaves: [] }
}

/** Everyone may leave; owners and admins remove others, but no admin an owner. The last owner is followed by another. */
export function decideRemove(room: ConversationState, actor: Actor, user: string): ChangeDecision {
  const { conversation, members } = room
  const who: readonly Role[] = members.get(user)?.role === 'owner' ? ['owner'] : ['owner', 'admin']
  const denied =
    mayRead(conversation, members, actor) ??
    keepsItsTwo(conversation) ??
    (user === actor.user ? undefined : mayManage(conversation, members, actor, who))
  if (denied !== undefined) return denied
  if (members.get(user) === undefined) return refuse('notFound', `${user} is not a member`)
  const heir = isLastOwner(room, user) ? heirOf(room, user) : undefined
  if (heir === undefined)
    return { kind: 'accepted', rows: tell(room, actor, 'member.left', [user]), members: [], leaves: [user] }
  const owner: Member = { ...heir, role: 'owner' }
  const entry: RoleChanged = { type: 'member.role', user: actor.user, at: room.now, member: heir.user, role: 'owner' }
  const rows = [toRow(room.log.top() + 1, actor, entry), ...tell(room, actor, 'member.left', [user], 1)]
  return { kind: 'accepted', rows, members: [owner], leaves: [user] }
}

/** Owners say who is owner, admin or member, also of themselves. A role that is held already is no news. */
export function decideRole(room: ConversationState, actor: Actor, user: string, role: Role): ChangeDecision {
  const { conversation, members, log, now } = room
  const denied =
    mayRead(conversation, members, actor) ??
    (conversation.type === 'direct'
      ? refuse('notAllowed', 'in a direct conversation nobody is more than the other')
      : undefined) ??
    mayManage(conversation, members, actor, ['owner'])
  if (denied !== undefined) return denied
  const member = members.get(user)
  if (member === undefined) return refuse('notFound', `${user} is not a member`)
  if (member.role === role) return { kind: 'accepted', rows: [], members: [], leaves: [] }
  if (isLastOwner(room, user))
    return refuse('conflict', `role: ${user} is the last owner; make another member owner first`)
  const entry: RoleChanged = { type: 'member.role', user: actor.user, at: now, member: user, role }
  return { kind: 'accepted', rows: [toRow(log.top() + 1, actor, entry)], members: [{ ...member, role }], leaves: [] }
}

/** Said to its two members only: others are not to learn that it is there, and its id can be worked out from their names. */
const keepsItsTwo = ({ type }: Conversation): Refusal | undefined =>
  type === 'direct' ? refuse('notAllowed', 'a direct conversation keeps its two members') : undefined

/** Whether `user` is an owner and no other member is. */
const isLastOwner = ({ members }: ConversationState, user: string): boolean =>
  members.get(user)?.role === 'owner' &&
  !members.some(sizes.members).some((member) => member.role === 'owner' && member.user !== user)

/** The member that ownership passes to: the longest-standing admin, else the longest-standing member. */
function heirOf({ members }: ConversationState, leaving: string): Member | undefined {
  const others = members.some(sizes.members).filter(({ user }) => user !== leaving)
  const admins = others.filter(({ role }) => role === 'admin')
  const candidates = admins.length > 0 ? admins : others
  return candidates.reduce<Member | undefined>(
    (first, member) => (first === undefined || member.joinedAt < first.joinedAt ? member : first),
    undefined,
  )
}

function tell(
  { log, now }: ConversationState,
  actor: Actor,
  type: MemberChanged['type'],
  users: readonly string[],
  behind = 0,
): LogRow[] {
  return users.map((member, index) => {
    const entry: MemberChanged = { type, user: actor.user, at: now, member }
    return toRow(log.top() + 1 + behind + index, actor, entry)
  })
}

/** Owners and admins rename. */
export function decideRename(room: ConversationState, actor: Actor, name: string): ChangeDecision {
  const { conversation, members } = room
  const denied =
    mayRead(conversation, members, actor) ??
    (conversation.type === 'direct' ? refuse('notAllowed', 'a direct conversation has no name') : undefined) ??
    mayManage(conversation, members, actor, ['owner', 'admin'])
  if (denied !== undefined) return denied
  const entry: ConversationRenamed = { type: 'conversation.renamed', user: actor.user, at: room.now, name }
  return { kind: 'accepted', rows: [toRow(room.log.top() + 1, actor, entry)], members: [], leaves: [] }
}
