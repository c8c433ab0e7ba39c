import type { ConversationRenamed, MemberChanged } from '../events/entry.ts'
import { refuse, type Refusal } from '../protocol/errors.ts'
import { sizes } from '../protocol/limits.ts'
import { mayManage, mayRead } from './access.ts'
import { toRow } from './send.ts'
import type { Room } from './turn.ts'
import type { Actor, Conversation, LogRow, Member, Role } from './types.ts'

/** A change of name or members. */
export type Change =
  | { readonly kind: 'add'; readonly users: readonly string[] }
  | { readonly kind: 'remove'; readonly user: string }
  | { readonly kind: 'rename'; readonly name: string }

/** What a change of members or name means: the entries that tell of it, and who comes or goes. */
export type ChangeDecision =
  | {
      readonly kind: 'accepted'
      readonly rows: readonly LogRow[]
      readonly joins: readonly Member[]
      readonly leaves: readonly string[]
    }
  | Refusal

/** Decides a change of any kind. */
export function decideChange(room: Room, actor: Actor, change: Change): ChangeDecision {
  switch (change.kind) {
    case 'add':
      return decideAdd(room, actor, change.users)
    case 'remove':
      return decideRemove(room, actor, change.user)
    case 'rename':
      return decideRename(room, actor, change.name)
  }
}

/** Owners and admins add members; in a channel every user may add herself. Those who are in already stay as they are. */
export function decideAdd(room: Room, actor: Actor, users: readonly string[]): ChangeDecision {
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
  const joins = newcomers.map((user): Member => ({ user, role: 'member', joinedAt: room.now, read: room.log.top() }))
  return { kind: 'accepted', rows: tell(room, actor, 'member.joined', newcomers), joins, leaves: [] }
}

/** Everyone may leave; owners and admins remove others, but no admin an owner. */
export function decideRemove(room: Room, actor: Actor, user: string): ChangeDecision {
  const { conversation, members } = room
  const who: readonly Role[] = members.get(user)?.role === 'owner' ? ['owner'] : ['owner', 'admin']
  const denied =
    mayRead(conversation, members, actor) ??
    keepsItsTwo(conversation) ??
    (user === actor.user ? undefined : mayManage(conversation, members, actor, who))
  if (denied !== undefined) return denied
  if (members.get(user) === undefined) return refuse('notFound', `${user} is not a member`)
  return { kind: 'accepted', rows: tell(room, actor, 'member.left', [user]), joins: [], leaves: [user] }
}

/** Said to its two members only: others are not to learn that it is there, and its id can be worked out from their names. */
const keepsItsTwo = ({ type }: Conversation): Refusal | undefined =>
  type === 'direct' ? refuse('notAllowed', 'a direct conversation keeps its two members') : undefined

function tell({ log, now }: Room, actor: Actor, type: MemberChanged['type'], users: readonly string[]): LogRow[] {
  return users.map((member, index) => {
    const entry: MemberChanged = { type, user: actor.user, at: now, member }
    return toRow(log.top() + 1 + index, actor, entry)
  })
}

/** Owners and admins rename. */
export function decideRename(room: Room, actor: Actor, name: string): ChangeDecision {
  const { conversation, members } = room
  const denied =
    mayRead(conversation, members, actor) ??
    (conversation.type === 'direct' ? refuse('notAllowed', 'a direct conversation has no name') : undefined) ??
    mayManage(conversation, members, actor, ['owner', 'admin'])
  if (denied !== undefined) return denied
  const entry: ConversationRenamed = { type: 'conversation.renamed', user: actor.user, at: room.now, name }
  return { kind: 'accepted', rows: [toRow(room.log.top() + 1, actor, entry)], joins: [], leaves: [] }
}
