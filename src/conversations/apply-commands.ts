import { sizes } from '../protocol/limits.ts'
import { refuse, type Refusal } from '../protocol/errors.ts'
import { recover } from '../protocol/recover.ts'
import type { StreamAnswer, StreamCall, StreamCommand, StreamResult } from '../protocol/stream.ts'
import { type AppliedCommands, type ConversationState, isSmall, mayRead, nothing, toPublication } from './state.ts'
import { send } from './commands/send-message.ts'
import { commandNamed } from './commands/table.ts'
import type { Actor } from './types.ts'

/** Runs the commands of one call in order; all that they append becomes durable together. */
export function applyCommands(state: ConversationState, commands: readonly StreamCommand[]): AppliedCommands {
  const applied: AppliedCommands = { results: [], publications: [], events: [] }
  for (const command of commands) applied.results.push(apply(state, command, applied))
  return applied
}

function apply(state: ConversationState, command: StreamCommand, applied: AppliedCommands): StreamResult {
  const actor: Actor = { user: command.user, client: command.client, server: command.server === true }
  switch (command.kind) {
    case 'send':
      return send(state, actor, command.content, applied)
    case 'subscribe':
      return subscribe(state, actor, command, applied)
    case 'leave':
      return leave(state, actor, command, applied)
    case 'infos':
      return nothing
    case 'publish':
      return refuse('badRequest', 'a conversation takes messages')
    case 'command':
      return commandNamed(command.name)?.apply(state, actor, command.input, applied) ?? refuse('methodNotFound')
  }
}

function subscribe(
  state: ConversationState,
  actor: Actor,
  command: Extract<StreamCommand, { kind: 'subscribe' }>,
  applied: AppliedCommands,
): StreamResult {
  const denied = mayRead(state.conversation, state.members, actor)
  if (denied !== undefined) return asChannelRefusal(denied)

  const { epoch } = state.conversation
  const top = state.log.top()
  const read = (after: number) => state.log.range(after, top, sizes.recovered).map(toPublication)
  const continued = recover(command.since, { epoch, top, floor: state.log.floor() }, read, applied)
  if (continued.kind === 'refused') return continued
  if (command.alone !== false && isSmall(state))
    applied.events.push({ kind: 'join', info: { user: actor.user, client: actor.client } })
  return { ...continued, data: subscriptionData(state, actor, top) }
}

/** A subscribe is refused alike for a conversation of others, a deleted one and one that never existed. */
const asChannelRefusal = (denied: Refusal): Refusal =>
  denied.error === 'notFound' ? refuse('permissionDenied') : denied

function subscriptionData({ conversation, members }: ConversationState, actor: Actor, last: number): string {
  const me = members.get(actor.user)
  return JSON.stringify({
    type: conversation.type,
    name: conversation.name,
    last,
    read: me?.read ?? 0,
    role: me?.role ?? null,
    memberCount: members.count(),
    members: members.some(100).map(({ user, role, read, joined }) => ({ user, role, read, joined })),
  })
}

function leave(
  state: ConversationState,
  actor: Actor,
  { alone }: Extract<StreamCommand, { kind: 'leave' }>,
  applied: AppliedCommands,
): StreamResult {
  if (alone !== false && isSmall(state))
    applied.events.push({ kind: 'leave', info: { user: actor.user, client: actor.client } })
  return nothing
}

/** Refuses every command of a conversation that does not exist, as for one of other users. */
export function refuseAll({ commands }: StreamCall): StreamAnswer {
  const results = commands.map(({ kind }) =>
    kind === 'leave' ? nothing : refuse(kind === 'subscribe' ? 'permissionDenied' : 'notFound'),
  )
  return { update: { epoch: '', after: 0, publications: [], events: [] }, behind: false, results }
}
