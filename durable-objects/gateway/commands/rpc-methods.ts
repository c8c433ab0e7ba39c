import { callActorsOf } from '../../../src/adapters/contexts.ts'
import { loadConfig } from '../../../src/config.ts'
import type { Command } from '../../../src/conversations/command.ts'
import { editMessage } from '../../../src/conversations/commands/edit-message.ts'
import { sendMessage } from '../../../src/conversations/commands/send-message.ts'
import { beginMessage, refuseUnchecked } from '../../../src/conversations/commands/stream-message.ts'
import { commands } from '../../../src/conversations/commands/table.ts'
import { listConversations } from '../../../src/inbox/list-conversations.ts'
import { scheduleMessage, type LaterMessage, type LaterPorts } from '../../../src/jobs/schedules/scheduled-message.ts'
import { conversationChannel } from '../../../src/protocol/channels.ts'
import type { RpcRequest } from '../../../src/protocol/commands.ts'
import { refuse } from '../../../src/protocol/errors.ts'
import { GivenJson } from '../../../src/protocol/given-json.ts'
import { editPayload, sendPayload, toContent } from '../../../src/protocol/payloads.ts'
import type { StreamResult } from '../../../src/protocol/stream.ts'
import type { Session } from '../../../src/realtime/session.ts'
import { jobQueueOf } from '../../address.ts'
import { callConversation, callInbox } from '../../open-actors.ts'
import type { Data, CommandContext } from './command-context.ts'
import { acknowledgeEvents, pullEvents } from './event-commands.ts'
import { replyLater } from './reply-later.ts'
import { searchMessages } from './search-command.ts'

type Method = (context: CommandContext, session: Session, id: number, data: Data) => void

/** Every rpc method: the commands of a conversation, and what is not asked of one conversation. */
const methods: Readonly<Record<string, Method>> = {
  ...Object.fromEntries(commands.map((command) => [command.name, methodOf(command)])),
  [beginMessage.name]: begin,
  [sendMessage.name]: send,
  [editMessage.name]: edit,
  [listConversations.name]: listInbox,
  'search.messages': searchMessages,
  'events.pull': pullEvents,
  'events.acknowledge': acknowledgeEvents,
}

/** The names of all of them. */
export const methodNames: readonly string[] = Object.keys(methods)

/** Calls an rpc method by its name. */
export function callMethod(context: CommandContext, session: Session, id: number, request: RpcRequest): void {
  const method = Object.hasOwn(methods, request.method) ? methods[request.method] : undefined
  if (method === undefined && !context.admits(session, id)) return
  if (method === undefined) return context.refuse(session, id, noMethod(context, request.method))
  method(context, session, id, request.data())
}

/** The open profile stands for a server without methods of its own, of which SDKs expect another code. */
const noMethod = (context: CommandContext, method: string) =>
  refuse(loadConfig(context.env).open === undefined ? 'methodNotFound' : 'notAvailable', method.slice(0, 100))

/** The rpc method of a command: its input is checked, counted by its rate-limit class, and sent to the conversation. */
function methodOf(command: Command): Method {
  return (context, session, id, data) => {
    const input = context.parse(session, id, command.input, data)
    if (input === undefined) return
    const { conversation } = input
    const ask = () => context.ask(session, id, conversation, command.verb(input))
    if (command.limit === 'typing') context.typing(session, conversation, answer(context, session, id))
    else if (command.limit === 'message') counted(context, session, id, conversation, ask, command.items(input))
    else if (admitsItems(context, session, id, command.items(input))) ask()
  }
}

/** Counts a command as `items` commands of the connection. */
function admitsItems(context: CommandContext, session: Session, id: number, items: number): boolean {
  for (let n = 0; n < items; n++) if (!context.admits(session, id)) return false
  return true
}

/** Counts a command as `items` messages, so that editing, joining and leaving do not evade the limit. */
function counted(
  context: CommandContext,
  session: Session,
  id: number,
  conversation: string,
  work: () => void,
  items = 1,
): void {
  const next = items > 1 ? () => counted(context, session, id, conversation, work, items - 1) : work
  context.messages.limited(session, conversationChannel(conversation), answer(context, session, id), next)
}

function send(context: CommandContext, session: Session, id: number, data: Data): void {
  const payload = context.parse(session, id, sendPayload, data)
  if (payload === undefined) return
  const { conversation, deliverAt: _, ...given } = payload
  const later = sendMessage.later(payload)
  if (later !== undefined)
    return counted(context, session, id, conversation, () => {
      const filter = context.messages.levels.filters.get(session.tenant)
      const { content } = later
      const checked =
        filter === undefined ? content : context.messages.levels.filters.check(filter, session, { content })
      if ('kind' in checked && checked.kind === 'refused') return context.refuse(session, id, checked)
      schedule(context, session, id, { conversation, ...later, content: { ...content, text: checked.text } })
    })
  context.messages.send(session, conversationChannel(conversation), toContent(given), answer(context, session, id))
}

/** Begins a streaming message, which no rules of the tenant could check. */
function begin(context: CommandContext, session: Session, id: number, data: Data): void {
  const input = context.parse(session, id, beginMessage.input, data)
  if (input === undefined) return
  const { conversation } = input
  counted(context, session, id, conversation, () => {
    if (context.messages.levels.filters.has(session.tenant)) context.refuse(session, id, refuseUnchecked())
    else context.ask(session, id, conversation, beginMessage.verb(input))
  })
}

/** Edits a message as far as the rules of the tenant allow. */
function edit(context: CommandContext, session: Session, id: number, data: Data): void {
  const payload = context.parse(session, id, editMessage.input, data)
  if (payload === undefined) return
  const { conversation } = payload
  counted(context, session, id, conversation, () => {
    const { filters } = context.messages.levels
    const filter = filters.get(session.tenant)
    if (filter === undefined) return context.ask(session, id, conversation, editMessage.verb(payload))
    const { seq, text } = editPayload.parse(payload)
    const verb = (changed: string) => editMessage.verb({ ...payload, text: changed })
    const settle = answer(context, session, id)
    filters.pass(filter, session, conversationChannel(conversation), { content: { text }, verb, edits: seq }, settle)
  })
}

function schedule(
  context: CommandContext,
  session: Session,
  id: number,
  message: Pick<LaterMessage, 'conversation' | 'content' | 'deliverAt'>,
): void {
  const { env, names } = context
  const { tenant, user } = session
  const ports: LaterPorts = {
    admits: (actor) =>
      callConversation(env, tenant, message.conversation, (conversation) => conversation.admitsWriter(actor)),
    enqueue: (job) => callActorsOf(env, 'jobs', () => jobQueueOf(env, tenant, 'default').enqueue(job)),
  }
  replyLater(context, session, id, async () => {
    if (!(await names.hasConversation(tenant, message.conversation))) return refuse('notFound')
    const scheduled = await scheduleMessage(ports, { tenant, actor: { user, client: '', server: false }, ...message })
    return scheduled.kind === 'refused' ? scheduled : scheduled.says
  })
}

function listInbox(context: CommandContext, session: Session, id: number, data: Data): void {
  const query = context.parse(session, id, listConversations.input, isNothing(data) ? new GivenJson({}, '{}') : data)
  if (query === undefined || !context.admits(session, id)) return
  // All anonymous users share one name, and none of them has a list.
  if (session.user === '')
    return context.refuse(session, id, refuse('notAllowed', 'anonymous users have no conversations'))
  replyLater(context, session, id, async () => {
    const list = await callInbox(context.env, session.tenant, session.user, (inbox) =>
      inbox.list(query.cursor, query.limit),
    )
    return list.kind === 'refused' ? list : { conversations: list.conversations, next: list.next }
  })
}

const isNothing = (data: Data) => data === undefined || (data instanceof GivenJson && data.value === null)

const answer = (context: CommandContext, session: Session, id: number) => (result: StreamResult) =>
  context.answer(session, id, result)
