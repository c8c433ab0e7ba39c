import { sizes } from '../protocol/limits.ts'
import { refuse } from '../protocol/errors.ts'
import { recover } from '../protocol/recover.ts'
import type { StreamCommand, StreamResult } from '../protocol/stream.ts'
import { encodeWith } from '../kernel/json.ts'
import { type AppliedCommands, type ConversationState, isSmall, mayRead, nothing, toPublication } from './state.ts'
import type { Actor, Conversation } from './types.ts'

/** Subscribes a connection, with the entries after its position. */
export function subscribe(
  state: ConversationState,
  actor: Actor,
  command: Extract<StreamCommand, { kind: 'subscribe' }>,
  applied: AppliedCommands,
): StreamResult {
  const denied = mayRead(state, actor)
  // A conversation of others, a deleted one and one that never existed are refused alike.
  if (denied !== undefined) return denied.error === 'notFound' ? refuse('permissionDenied') : denied

  const { epoch } = state.conversation
  const top = state.log.top()
  const read = (after: number) => state.log.range(after, top, sizes.recovered).map(toPublication)
  const continued = recover(command.since, { epoch, top, floor: state.log.floor() }, read, applied)
  if (continued.kind === 'refused') return continued
  if (command.alone !== false && isSmall(state))
    applied.events.push({ kind: 'join', info: { user: actor.user, client: actor.client } })
  return { ...continued, data: subscriptionData(state, actor, top) }
}

function subscriptionData({ conversation, members, messages }: ConversationState, actor: Actor, last: number): string {
  const me = members.get(actor.user)
  const answer = {
    type: conversation.type,
    name: conversation.name,
    last,
    read: me?.read ?? 0,
    role: me?.role ?? null,
    memberCount: members.count(),
    members: members.some(100).map(({ user, role, read, joined }) => ({ user, role, read, joined })),
    ...(messages.isStreaming ? { streaming: true } : {}),
    ...shownOf(conversation),
  }
  const { properties } = conversation
  return properties === undefined ? JSON.stringify(answer) : encodeWith(answer, { properties })
}

/** What a conversation is beside its name and members, without its properties. */
export function shownOf({ topic, avatar, frozen, slowModeSeconds, grid }: Conversation) {
  return {
    ...(topic === undefined ? {} : { topic }),
    ...(avatar === undefined ? {} : { avatar }),
    ...(frozen === undefined ? {} : { frozen }),
    ...(slowModeSeconds === undefined ? {} : { slowModeSeconds }),
    ...(grid === undefined ? {} : { rights: grid }),
  }
}

/** Ends a subscription. */
export function leave(
  state: ConversationState,
  actor: Actor,
  { alone }: Extract<StreamCommand, { kind: 'leave' }>,
  applied: AppliedCommands,
): StreamResult {
  if (alone !== false && isSmall(state))
    applied.events.push({ kind: 'leave', info: { user: actor.user, client: actor.client } })
  return nothing
}
