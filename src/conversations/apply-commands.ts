import type { Refusal } from '../protocol/errors.ts'
import { refuse } from '../protocol/errors.ts'
import { sizes } from '../protocol/limits.ts'
import type { Publication } from '../protocol/replies.ts'
import type { EphemeralEvent, StreamAnswer, StreamCall, StreamCommand, StreamResult } from '../protocol/stream.ts'
import { mayRead, mayWrite } from './access.ts'
import { decideDelete, decideEdit, type AmendDecision } from './amend.ts'
import type { Log, Members, Place } from './ports.ts'
import { decideRead } from './read.ts'
import { decideRecovery, recover, type Recovering } from '../protocol/recover.ts'
import { decideSend, messageId } from './send.ts'
import type { Actor, Conversation, LogRow } from './types.ts'

/** Everything a turn may look at and write to: one conversation and its durable parts. */
export interface ConversationState {
  readonly conversation: Conversation
  readonly members: Members
  readonly log: Log
  readonly now: number
}

/** What a turn did: an answer to each command, and the news for everyone who listens. */
export interface AppliedCommands extends Recovering {
  readonly results: StreamResult[]
  readonly publications: Publication[]
  readonly events: EphemeralEvent[]
}

/** Above this many members nobody is told of comings, goings and read cursors: the traffic would grow with the square. */
export const largeConversation = 200

/** Runs the commands of one call in order against the log; all that it appends becomes durable together. */
export function applyCommands(room: ConversationState, commands: readonly StreamCommand[]): AppliedCommands {
  const turn: AppliedCommands = { results: [], publications: [], events: [] }
  for (const command of commands) turn.results.push(apply(room, command, turn))
  return turn
}

function apply(room: ConversationState, command: StreamCommand, turn: AppliedCommands): StreamResult {
  const actor: Actor = { user: command.user, client: command.client, server: command.server === true }
  switch (command.kind) {
    case 'send':
      return send(room, actor, command, turn)
    case 'subscribe':
      return subscribe(room, actor, command, turn)
    case 'leave':
      return leave(room, actor, command, turn)
    case 'publish':
      return refuse('badRequest', 'a conversation takes messages')
    case 'typing':
      return typing(room, actor, turn)
    case 'read':
      return read(room, actor, command.seq, turn)
    case 'edit':
      return amend(room, decideEdit(room.conversation, room.members, room.log, actor, command, room.now), turn)
    case 'delete':
      return amend(room, decideDelete(room.conversation, room.members, room.log, actor, command.seq, room.now), turn)
  }
}

function send(
  room: ConversationState,
  actor: Actor,
  { content }: Extract<StreamCommand, { kind: 'send' }>,
  turn: AppliedCommands,
): StreamResult {
  const decision = decideSend(room.conversation, room.members, room.log, actor, content, room.now)
  if (decision.kind === 'refused') return decision
  const { row } = decision
  const known = room.log.append(row)
  if (known !== undefined) return sent(room, known, true)
  turn.publications.push(toPublication(row))
  if (turn.events.length > 0) dropTyping(turn, actor.user)
  return sent(room, row, false)
}

/** Publications reach subscribers before signals: typing told in the turn of its message would seem to follow it. */
function dropTyping({ events: signals }: AppliedCommands, user: string): void {
  const data = typingData(user)
  const others = signals.filter((signal) => signal.kind !== 'pub' || signal.data !== data)
  signals.splice(0, signals.length, ...others)
}

const typingData = (user: string) => JSON.stringify({ type: 'typing', user })

function sent({ conversation }: ConversationState, { seq, at }: Place, duplicate: boolean): StreamResult {
  const id = messageId(conversation.id, seq)
  return {
    kind: 'done',
    data: `{"id":"${id}","seq":${seq},"epoch":"${conversation.epoch}","at":${at},"duplicate":${duplicate}}`,
  }
}

function amend(room: ConversationState, decision: AmendDecision, turn: AppliedCommands): StreamResult {
  if (decision.kind === 'refused') return decision
  if (decision.kind === 'repeated') {
    room.log.confirm()
    return placed(decision.row)
  }
  const { row, entry } = decision
  record(room, row, turn)
  room.log.amend(entry.ref, entry.type === 'message.edited' ? entry.text : null, entry.at)
  return placed(row)
}

const placed = ({ seq, at }: Place): StreamResult => ({ kind: 'done', data: JSON.stringify({ seq, at }) })

/** Stored before it is announced: a reader who hears of seq 7 can always fetch it. For entries nobody can repeat. */
export function record(room: ConversationState, row: LogRow, turn: AppliedCommands): void {
  room.log.append(row)
  turn.publications.push(toPublication(row))
}

/** How a stored entry sounds on the wire. */
export const toPublication = ({ seq, data, user, client }: LogRow): Publication => ({
  offset: seq,
  data,
  info: { user, client },
})

function subscribe(
  room: ConversationState,
  actor: Actor,
  command: Extract<StreamCommand, { kind: 'subscribe' }>,
  turn: AppliedCommands,
): StreamResult {
  const denied = mayRead(room.conversation, room.members, actor)
  if (denied !== undefined) return asChannelRefusal(denied)

  const { epoch } = room.conversation
  const top = room.log.top()
  const recovery = decideRecovery(command.since, { epoch, top, floor: room.log.floor() }, sizes.recovered)
  const missed = recover(recovery, top, (after) => room.log.range(after, top, sizes.recovered).map(toPublication), turn)
  if (missed.kind === 'refused') return missed
  if (command.alone !== false && isSmall(room))
    turn.events.push({ kind: 'join', info: { user: actor.user, client: actor.client } })
  return {
    kind: 'subscribed',
    epoch,
    offset: missed.offset,
    top,
    wasRecovering: command.since !== undefined,
    recovered: missed.recovered,
    publications: missed.publications,
    data: state(room, actor, top),
  }
}

/** On a subscribe a conversation that is not yours, was deleted or never was is "permission denied" alike. */
const asChannelRefusal = (denied: Refusal): Refusal =>
  denied.error === 'notFound' ? refuse('permissionDenied') : denied

function state({ conversation, members }: ConversationState, actor: Actor, last: number): string {
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
  room: ConversationState,
  actor: Actor,
  { alone }: Extract<StreamCommand, { kind: 'leave' }>,
  turn: AppliedCommands,
): StreamResult {
  if (alone !== false && isSmall(room))
    turn.events.push({ kind: 'leave', info: { user: actor.user, client: actor.client } })
  return { kind: 'done', data: '{}' }
}

function typing(room: ConversationState, actor: Actor, turn: AppliedCommands): StreamResult {
  const denied = mayWrite(room.conversation, room.members, actor)
  if (denied !== undefined) return denied
  turn.events.push({ kind: 'pub', data: typingData(actor.user), except: actor.client })
  return { kind: 'done', data: '{}' }
}

function read(room: ConversationState, actor: Actor, seq: number, turn: AppliedCommands): StreamResult {
  const decision = decideRead(room.conversation, room.members, room.log, actor, seq)
  if (decision.kind === 'refused') return decision
  const { read, unread, moved } = decision
  if (moved) {
    room.members.moveRead(actor.user, read)
    const data = JSON.stringify({ type: 'read', user: actor.user, seq: read })
    if (isSmall(room)) turn.events.push({ kind: 'pub', data })
  }
  return { kind: 'done', data: JSON.stringify({ read, unread }) }
}

const isSmall = ({ members }: ConversationState): boolean => members.count() <= largeConversation

/** A conversation that is not: every command is refused as for one that is somebody else's. */
export function refuseAll({ commands }: StreamCall): StreamAnswer {
  const results = commands.map(({ kind }) => {
    if (kind === 'leave') return { kind: 'done' as const, data: '{}' }
    return refuse(kind === 'subscribe' ? 'permissionDenied' : 'notFound')
  })
  return { update: { epoch: '', after: 0, publications: [], events: [] }, behind: false, results }
}
