import { log, reasonOf } from '../../../src/kernel/log.ts'
import { loadConfig } from '../../../src/config.ts'
import { deliveryPayload, scheduled } from '../../../src/jobs/schedules/scheduled-message.ts'
import { uuidFrom } from '../../../src/kernel/id.ts'

import { refuse } from '../../../src/protocol/errors.ts'
import { GivenJson } from '../../../src/protocol/given-json.ts'
import {
  deletePayload,
  editPayload,
  inboxListPayload,
  readPayload,
  sendPayload,
  toContent,
  typingPayload,
  type MessageContent,
} from '../../../src/protocol/payloads.ts'
import { plainSend } from '../../../src/protocol/plain-send.ts'
import { conversationChannel } from '../../../src/protocol/channels.ts'
import type { Session } from '../../../src/realtime/session.ts'
import { conversationOf, inboxOf, jobQueueOf } from '../../address.ts'
import type { CommandContext, Data } from './command-context.ts'
import type { StreamResult } from '../../../src/protocol/stream.ts'

type Method = (desk: CommandContext, session: Session, id: number, data: Data) => void

/** Every rpc a client may call. */
const methods: Readonly<Record<string, Method>> = {
  'message.send': send,
  'message.edit': (desk, session, id, data) => {
    const edit = desk.parse(session, id, editPayload, data)
    if (edit === undefined) return
    const { conversation, seq, text } = edit
    counted(desk, session, id, conversation, () => desk.ask(session, id, conversation, { kind: 'edit', seq, text }))
  },
  'message.delete': (desk, session, id, data) => {
    const target = desk.parse(session, id, deletePayload, data)
    if (target === undefined) return
    const { conversation, seq } = target
    counted(desk, session, id, conversation, () => desk.ask(session, id, conversation, { kind: 'delete', seq }))
  },
  'conversation.read': (desk, session, id, data) => {
    const read = desk.parse(session, id, readPayload, data)
    if (read !== undefined && desk.admits(session, id))
      desk.ask(session, id, read.conversation, { kind: 'read', seq: read.seq })
  },
  'conversation.typing': (desk, session, id, data) => {
    const typing = desk.parse(session, id, typingPayload, data)
    if (typing !== undefined) desk.typing(session, typing.conversation, answer(desk, session, id))
  },
  'conversation.join': (desk, session, id, data) => {
    const room = desk.parse(session, id, typingPayload, data)
    if (room === undefined) return
    const { conversation } = room
    counted(desk, session, id, conversation, () => void changeMembers(desk, session, id, conversation, 'add'))
  },
  'conversation.leave': (desk, session, id, data) => {
    const room = desk.parse(session, id, typingPayload, data)
    if (room === undefined) return
    const { conversation } = room
    counted(desk, session, id, conversation, () => void changeMembers(desk, session, id, conversation, 'remove'))
  },
  'inbox.list': (desk, session, id, data) => {
    const query = desk.parse(session, id, inboxListPayload, isNothing(data) ? new GivenJson({}, '{}') : data)
    if (query === undefined || !desk.admits(session, id)) return
    // All who are nobody share that name: none of them has a list.
    if (session.user === '') desk.refuse(session, id, refuse('notAllowed', 'nobody anonymous has conversations'))
    else void listInbox(desk, session, id, query)
  },
}

const isNothing = (data: Data) => data === undefined || (data instanceof GivenJson && data.value === null)

/** The names of all of them. */
export const methodNames: readonly string[] = Object.keys(methods)

/** Calls an rpc method by its name. */
export function callMethod(
  desk: CommandContext,
  session: Session,
  id: number,
  request: { method: string; data?: Data },
): void {
  const method = Object.hasOwn(methods, request.method) ? methods[request.method] : undefined
  if (method === undefined && !desk.admits(session, id)) return
  if (method === undefined) return desk.refuse(session, id, noMethod(desk, request.method))
  method(desk, session, id, request.data)
}

/** The open profile stands for a server without methods of its own, of which SDKs expect another code. */
const noMethod = (desk: CommandContext, method: string) =>
  refuse(loadConfig(desk.env).open === undefined ? 'methodNotFound' : 'notAvailable', method.slice(0, 100))

function send(desk: CommandContext, session: Session, id: number, data: Data): void {
  const plain = data instanceof GivenJson ? plainSend(data.value) : undefined
  if (plain !== undefined) {
    const { conversation, clientId, text } = plain
    return desk.send(session, conversationChannel(conversation), { clientId, text }, answer(desk, session, id))
  }
  const payload = desk.parse(session, id, sendPayload, data)
  if (payload === undefined) return
  const { conversation, deliverAt, ...given } = payload
  const content = toContent(given)
  if (deliverAt !== undefined)
    return counted(
      desk,
      session,
      id,
      conversation,
      () => void schedule(desk, session, id, { conversation, content }, deliverAt),
    )
  desk.send(session, conversationChannel(conversation), content, answer(desk, session, id))
}

/** Whatever adds to a log counts as a message, so that nobody gets around the limit by editing, or by coming and going. */
const counted = (desk: CommandContext, session: Session, id: number, conversation: string, work: () => void) =>
  desk.limited(session, conversationChannel(conversation), answer(desk, session, id), work)

const answer = (desk: CommandContext, session: Session, id: number) => (result: StreamResult) => {
  if (result.kind === 'refused') return desk.refuse(session, id, result)
  desk.reply(session, id, 'rpc', `{"data":${result.kind === 'done' ? result.data : '{}'}}`)
}

/** A message for later is a job: it is safe in the queue's ledger when the sender is told so. */
async function schedule(
  desk: CommandContext,
  session: Session,
  id: number,
  { conversation, content }: { conversation: string; content: MessageContent },
  runAt: number,
): Promise<void> {
  const { env } = desk
  const { tenant, user } = session
  const jobId = await uuidFrom(JSON.stringify([tenant, conversation, user, content.clientId]))
  await guarded(desk, session, id, async () => {
    if (!(await desk.names.hasConversation(tenant, conversation))) return desk.refuse(session, id, refuse('notFound'))
    const admitted = await conversationOf(env, tenant, conversation).admitsWriter({ user, client: '', server: false })
    if (admitted.kind === 'refused') return desk.refuse(session, id, admitted)
    const job = { id: jobId, type: 'deliver-message', payload: deliveryPayload(conversation, user, content), runAt }
    const queued = await jobQueueOf(env, tenant, 'default').enqueue(job)
    const answer = queued.kind === 'refused' ? queued : scheduled(queued, runAt)
    if (answer.kind === 'refused') return desk.refuse(session, id, answer)
    desk.reply(session, id, 'rpc', JSON.stringify({ data: answer.says }))
  })
}

async function changeMembers(
  desk: CommandContext,
  session: Session,
  id: number,
  conversation: string,
  kind: 'add' | 'remove',
): Promise<void> {
  const { tenant, user, client } = session
  const change = kind === 'add' ? { kind, users: [user] } : { kind, user }
  await guarded(desk, session, id, async () => {
    if (!(await desk.names.hasConversation(tenant, conversation))) return desk.refuse(session, id, refuse('notFound'))
    const changed = await conversationOf(desk.env, tenant, conversation).change({ user, client, server: false }, change)
    if (changed.kind === 'refused') return desk.refuse(session, id, changed)
    desk.reply(session, id, 'rpc', '{"data":{}}')
  })
}

async function listInbox(
  desk: CommandContext,
  session: Session,
  id: number,
  query: { cursor?: string | undefined; limit: number },
): Promise<void> {
  await guarded(desk, session, id, async () => {
    const list = await inboxOf(desk.env, session.tenant, session.user).list(query.cursor, query.limit)
    if (list.kind === 'refused') return desk.refuse(session, id, list)
    desk.reply(session, id, 'rpc', JSON.stringify({ data: { conversations: list.conversations, next: list.next } }))
  })
}

/** An actor that cannot be reached is a refusal, not a silence. */
async function guarded(desk: CommandContext, session: Session, id: number, work: () => Promise<void>): Promise<void> {
  try {
    await work()
  } catch (thrown) {
    log.warn('gateway.rpc-failed', { client: session.client, command: id, reason: reasonOf(thrown) })
    desk.refuse(session, id, refuse('internal', 'try again'))
  }
}
