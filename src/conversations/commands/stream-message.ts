import { isBlank, isLonger, isPlainText, strayDirections } from '../../kernel/text.ts'
import { sentMessage, streamedEnd, streamedLength, streamingList } from '../../protocol/conversation-views.ts'
import { refuse, type Refusal } from '../../protocol/errors.ts'
import { sizes } from '../../protocol/limits.ts'
import { toContent } from '../../protocol/payloads.ts'
import {
  appendPayload,
  beginPayload,
  cancelPayload,
  completePayload,
  streamingPayload,
} from '../../protocol/streaming-payloads.ts'
import type { StreamResult } from '../../protocol/stream.ts'
import { unknownReference } from '../amendment.ts'
import { defineCommand } from '../command.ts'
import { may } from '../permissions.ts'
import { refuseTooSoon } from '../slow-mode.ts'
import { type AppliedCommands, type ConversationState, done, mayRead, mayWrite } from '../state.ts'
import { isNamed, shownFields, type StreamingFields, type StreamingMessage } from '../streaming.ts'
import type { Actor } from '../types.ts'
import { send } from './send-message.ts'

const path = '/v1/conversations/{id}/streaming'
/** Characters of text for which an append is charged once. */
const charsPerItem = 1024

/** Begins a message whose text follows in parts. */
export const beginMessage = defineCommand({
  name: 'message.begin',
  summary: 'Begin a message whose text follows in parts',
  input: beginPayload,
  output: streamedLength,
  limit: 'message',
  onBehalf: true,
  http: {
    id: 'beginMessage',
    method: 'post',
    path,
    tag: 'Messages',
    description:
      'The same clientId again answers how long the text is, and once the message has ended, its seq. An API key writes as the tenant itself, or as the member in user.',
    errors: ['slow-mode', 'too-many-streaming'],
    example: { body: { clientId: 'answer-1', replyTo: 4 }, response: { length: 0, duplicate: false } },
  },
  apply(state, actor, { clientId, ...given }, applied) {
    const denied = mayWrite(state, actor)
    if (denied !== undefined) return denied
    const { streaming } = state.messages
    const known = find(state, actor.user, clientId)
    if (known !== undefined) return repeated(state, known.text.length)
    const seq = state.log.placeOf(actor.user, clientId)?.seq
    if (seq !== undefined) return done({ length: 0, duplicate: true, seq })
    const early = refuseTooSoon(state, actor)
    if (early !== undefined) return early
    const { clientId: _, text: __, ...fields } = toContent({ clientId, text: '', ...given })
    const missing = unknownReference(state, { clientId, text: '', ...fields }, state.log.top() + 1)
    if (missing !== undefined) return missing
    const { epoch } = state.conversation
    const own = streaming.of(epoch).filter(({ user }) => user === actor.user).length
    if (own >= sizes.ownStreamingMessages)
      return refuse(
        'tooManyStreaming',
        `an author writes at most ${sizes.ownStreamingMessages} messages at a time; end one first`,
      )
    const begun = streaming.begin({
      user: actor.user,
      clientId,
      server: actor.server,
      epoch,
      fields,
      text: '',
      beganAt: state.now,
      calledAt: state.now,
    })
    if (!begun)
      return refuse(
        'tooManyStreaming',
        `at most ${sizes.streamingMessages} messages of a conversation grow at a time; begin it when one has ended`,
      )
    // The alarm looks later whether its author has fallen silent.
    applied.movesCursor = true
    return done({ length: 0, duplicate: false })
  },
})

/** Content rules of a tenant are about whole texts, which a message that grows does not have: users of such tenants send messages whole. */
export const refuseUnchecked = (): Refusal =>
  refuse(
    'notAllowed',
    'the tenant has content rules, which check whole texts: send the message whole, or have your server write it',
  )

/** Adds text to a message that grows. */
export const appendToMessage = defineCommand({
  name: 'message.append',
  summary: 'Add text to a message that you have begun',
  input: appendPayload,
  output: streamedLength.pick({ length: true }),
  limit: 'command',
  onBehalf: true,
  items: ({ text }) => Math.max(1, Math.ceil(text.length / charsPerItem)),
  http: {
    id: 'appendToMessage',
    method: 'post',
    path: `${path}/{clientId}/append`,
    tag: 'Messages',
    description:
      'Text that is there already is not added again, so that an append may be repeated. One beyond the end is refused, and says from where to send. Without text it says that the message goes on.',
    errors: ['conflict', 'streaming-gap', 'streaming-ended', 'too-large', 'frozen'],
    example: { body: { offset: 6, text: ' at one?' }, response: { length: 14 } },
  },
  apply(state, actor, { clientId, offset, text }) {
    const denied = mayWrite(state, actor)
    if (denied !== undefined) return denied
    const message = find(state, actor.user, clientId)
    if (message === undefined) return refuseEnded(state, actor.user, clientId)
    const { length } = message.text
    if (offset > length)
      return refuse('streamingGap', `offset: the text has ${length} characters; send it from there, got ${offset}`)
    const there = message.text.slice(offset, offset + text.length)
    if (!text.startsWith(there))
      return refuse('conflict', `text: other text stands at offset ${offset}; send what follows it`)
    const added = text.slice(there.length)
    if (isLonger(message.text + added, sizes.textBytes))
      return refuse(
        'tooLarge',
        `text: at most ${sizes.textBytes} bytes of UTF-8 in a message; complete it, and begin another for the rest`,
      )
    state.messages.streaming.append(message, added)
    return done({ length: length + added.length })
  },
})

/** Makes a message that grew a message of the log. */
export const completeMessage = defineCommand({
  name: 'message.complete',
  summary: 'Complete a message that you have begun',
  input: completePayload,
  output: sentMessage,
  limit: 'command',
  onBehalf: true,
  http: {
    id: 'completeMessage',
    method: 'post',
    path: `${path}/{clientId}/complete`,
    tag: 'Messages',
    description:
      'From now on it is a message like one that was sent whole. Repeated, it answers with the same message. Fields given here replace those of the beginning.',
    optionalBody: true,
    errors: ['streaming-ended', 'frozen'],
    example: {
      body: {},
      response: {
        id: '0198c7f0-0000-7000-8000-000000000000.5',
        seq: 5,
        epoch: 'k3J9xQ2a',
        at: 1764460800000,
        duplicate: false,
      },
    },
  },
  apply(state, actor, { clientId, ...given }, applied) {
    const denied = mayWrite(state, actor)
    if (denied !== undefined) return denied
    const message = find(state, actor.user, clientId)
    if (message === undefined) return sentBefore(state, actor, clientId, applied)
    if (isBlank(message.text))
      return refuse('invalidPayload', 'text: must not be empty; append text, or cancel the message')
    const { clientId: _, text: __, ...fields } = toContent({ clientId, text: '', ...given })
    return finish(state, actor, message, applied, fields)
  },
})

/** Ends a message with the text that it has. */
export const cancelMessage = defineCommand({
  name: 'message.cancel',
  summary: 'Stop a message that grows: yours, or with the right deleteAny any',
  input: cancelPayload,
  output: streamedEnd,
  limit: 'command',
  onBehalf: true,
  http: {
    id: 'cancelMessage',
    method: 'post',
    path: `${path}/{clientId}/cancel`,
    tag: 'Messages',
    description:
      'The text so far becomes a message, marked as cancelled; without text there is none. In a direct conversation both members may.',
    optionalBody: true,
    errors: ['streaming-ended'],
    example: { body: {}, response: { seq: 5 } },
  },
  apply(state, actor, { clientId, author = actor.user }, applied) {
    const denied = author === actor.user ? mayWrite(state, actor) : mayCancel(state, actor)
    if (denied !== undefined) return denied
    const message = find(state, author, clientId)
    if (message === undefined) {
      const seq = state.log.placeOf(author, clientId)?.seq
      return seq === undefined ? refuseEnded(state, author, clientId) : done({ seq })
    }
    return endNow(state, message, 'cancelled', applied)
  },
})

/** Ends a message whose author is silent. The conversation's alarm asks for it; no caller can. */
export const interruptMessage = defineCommand({
  name: 'message.interrupt',
  summary: 'End a message whose author is silent',
  input: cancelPayload,
  output: streamedEnd,
  limit: 'command',
  apply(state, actor, { clientId }, applied) {
    const message = find(state, actor.user, clientId)
    return message === undefined ? done({ seq: null }) : endNow(state, message, 'interrupted', applied)
  },
})

/** Lists the messages that grow now. */
export const listStreaming = defineCommand({
  name: 'message.streaming',
  summary: 'List the messages that grow now, with their text',
  input: streamingPayload,
  output: streamingList,
  limit: 'command',
  http: {
    id: 'listStreamingMessages',
    method: 'get',
    path,
    tag: 'Messages',
    description: 'With clientId and from, the text of one of them from an offset on.',
    query: streamingPayload.omit({ conversation: true }),
    example: {
      response: {
        streaming: [{ user: 'agent', clientId: 'answer-1', at: 1764460800000, offset: 0, text: 'Lunch?', length: 6 }],
      },
    },
  },
  apply(state, actor, { clientId, from }) {
    const denied = mayRead(state, actor)
    if (denied !== undefined) return denied
    const all = state.messages.streaming.of(state.conversation.epoch)
    return done({
      streaming: all
        .filter((message) => clientId === undefined || message.clientId === clientId)
        .map(({ user, clientId: id, beganAt, fields, text }) => ({
          user,
          clientId: id,
          at: beganAt,
          offset: Math.min(from, text.length),
          text: text.slice(from),
          length: text.length,
          ...shownFields(fields),
        })),
    })
  },
})

const find = ({ messages, conversation }: ConversationState, user: string, clientId: string) =>
  messages.streaming.of(conversation.epoch).find((message) => isNamed(message, user, clientId))

function repeated({ log }: ConversationState, length: number): StreamResult {
  log.confirm()
  return done({ length, duplicate: true })
}

function refuseEnded({ log }: ConversationState, user: string, clientId: string): Refusal {
  const place = log.placeOf(user, clientId)
  return place === undefined
    ? refuse('notFound', 'clientId: no such message grows; begin it')
    : refuse('streamingEnded', `the message has ended, as seq ${place.seq}; begin another with a new clientId`)
}

/** The log knows a message that was completed, and answers as for a repeated send. */
function sentBefore(state: ConversationState, actor: Actor, clientId: string, applied: AppliedCommands): StreamResult {
  return state.log.placeOf(actor.user, clientId) === undefined
    ? refuseEnded(state, actor.user, clientId)
    : send(withoutSlowMode(state), actor, { clientId, text: '' }, applied)
}

/** Both members of a direct conversation may stop a message, elsewhere who may delete it. */
const mayCancel = (state: ConversationState, actor: Actor): Refusal | undefined =>
  state.conversation.type === 'direct' ? mayWrite(state, actor) : may(state, actor, 'deleteAny')

/** Ends a message for its author. Text that cannot be a message is dropped. */
function endNow(
  state: ConversationState,
  message: StreamingMessage,
  ended: 'cancelled' | 'interrupted',
  applied: AppliedCommands,
): StreamResult {
  const { user, server } = message
  const result = isBlank(message.text)
    ? undefined
    : finish(state, { user, client: '', server }, message, applied, {}, ended)
  if (result?.kind === 'done') return done({ seq: state.log.top() })
  state.messages.streaming.end(message, true)
  return done({ seq: null })
}

function finish(
  state: ConversationState,
  author: Actor,
  message: StreamingMessage,
  applied: AppliedCommands,
  given: StreamingFields,
  ended?: 'cancelled' | 'interrupted',
): StreamResult {
  const { clientId, fields } = message
  const text = isPlainText(message.text) ? message.text : withoutStrays(message.text)
  const content = { clientId, text, ...fields, ...given, ...(ended === undefined ? {} : { ended }) }
  const result = send(withoutSlowMode(state), author, content, applied)
  if (result.kind === 'done') state.messages.streaming.end(message, false)
  return result
}

/** Slow mode was asked at the beginning. */
const withoutSlowMode = (state: ConversationState): ConversationState => ({
  ...state,
  conversation: { ...state.conversation, slowModeSeconds: undefined },
})

/** A text without marks of direction that have no other end: only of the whole text it is known which these are. */
function withoutStrays(text: string): string {
  const stray = strayDirections(text)
  return Array.from({ length: text.length }, (_, at) => (stray.has(at) ? '' : text.charAt(at))).join('')
}
