import type { z } from 'zod'
import { shardReaderOf, tenantOf } from '../../../../durable-objects/address.ts'
import { readHistory } from '../../../adapters/cold-history.ts'
import { listEdits } from '../../../conversations/commands/list-edits.ts'
import { entryPage, entryView } from '../../../conversations/entry-views.ts'
import { editList, exampleMessage, conversationParams, messageParams } from '../../../protocol/conversation-views.ts'
import { encodeViews } from '../../../history/amend.ts'
import { encodeMessagePage, pageEtag, type MessagePage } from '../../../history/message-page.ts'
import { messagesQuery } from '../../../protocol/api.ts'
import { defineOperation } from '../../../protocol/operation.ts'
import type { HistoryQuery } from '../../../protocol/stream.ts'
import { loadConfig } from '../../../config.ts'
import { regionOf } from '../../http/connection.ts'
import type { AppContext } from '../../http/context.ts'
import { operation } from '../../http/operations.ts'
import { mayAlso } from '../../middleware/limit-requests.ts'
import { accepted, fail } from '../../http/problem.ts'
import { possibleConversation } from '../../identity/conversation-ids.ts'
import { actorOf, type Caller } from './caller.ts'

const list = defineOperation({
  id: 'listMessages',
  method: 'get',
  path: '/v1/conversations/{id}/messages',
  tag: 'Messages',
  summary: 'Read messages, newest first, however old',
  access: 'user-or-server',
  params: conversationParams,
  query: messagesQuery,
  responses: { 200: entryPage },
  example: { response: { messages: [exampleMessage], epoch: 'f3a1', last: 2, before: 2, after: null } },
})

/** Reads one page of a conversation's log. Over the socket this is the protocol's own `history` command. */
export const listMessages = operation(list, async ({ c, caller, params: { id }, query: { before, after, limit } }) => {
  const offset = after ?? before
  const since = offset === undefined ? {} : { since: { offset, epoch: '' } }
  const query = { limit, reverse: after === undefined, ...since }
  const ifNoneMatch = c.req.header('if-none-match')
  const page = await possibleConversation(c.env, caller.tenant, id).messages({
    actor: actorOf(caller),
    query,
    ...(ifNoneMatch === undefined ? {} : { ifNoneMatch }),
  })
  if (page.kind === 'encoded') return { status: 200, json: page.json, etag: page.etag }
  const whole = await complete(c, caller, id, query, accepted(page))
  return { status: 200, json: encodeMessagePage(whole, query), etag: pageEtag(whole) }
})

const get = defineOperation({
  id: 'readMessage',
  method: 'get',
  path: '/v1/conversations/{id}/messages/{seq}',
  tag: 'Messages',
  summary: 'Read one message, or another entry of the log, however old',
  access: 'user-or-server',
  params: messageParams,
  responses: { 200: entryView },
  example: { response: exampleMessage },
})

/** Reads one entry of a conversation's log. */
export const getMessage = operation(get, async ({ c, caller, params: { id, seq } }) => ({
  status: 200,
  json: await entryAt(c, caller, id, seq),
}))

/** JSON text of one entry, as the caller may read it. */
export async function entryAt(c: AppContext, caller: Caller, id: string, seq: number): Promise<string> {
  const query = { limit: 1, reverse: false, since: { offset: seq - 1, epoch: '' } }
  const { publications, amendments, states } = await readPage(c, caller, id, query)
  const found = publications.filter(({ offset }) => offset === seq)
  if (found.length === 0) return fail('not-found', `seq: there is no message ${seq}`)
  return encodeViews(found, amendments, states).slice(1, -1)
}

const edits = defineOperation({
  id: 'listMessageEdits',
  method: 'get',
  path: '/v1/conversations/{id}/messages/{seq}/edits',
  tag: 'Messages',
  summary: 'List the texts of a message, the oldest first: the one that was sent, and the newest 100 edits',
  access: 'user-or-server',
  params: messageParams,
  responses: { 200: editList },
  example: {
    response: {
      edits: [
        { text: 'Lunch?', user: 'alice', at: 1764460800000, seq: 1 },
        { text: 'Lunch at one?', user: 'alice', at: 1764460860000, seq: 2 },
      ],
    },
  },
})

/** Reads all texts of a message. The first is that of its entry, which may be in Postgres only. */
export const listMessageEdits = operation(edits, async ({ c, caller, params: { id, seq } }) => {
  const [{ publications, amendments }, later] = await Promise.all([
    readPage(c, caller, id, { limit: 1, reverse: false, since: { offset: seq - 1, epoch: '' } }),
    laterTexts(c, caller, id, seq),
  ])
  const found = publications.find(({ offset }) => offset === seq)
  if (found === undefined) return fail('not-found', `seq: there is no message ${seq}`)
  const amended = amendments.find(({ ref }) => ref === seq)
  const entry = amended?.entry ?? found.data
  const { text = '', at }: { readonly text?: string; readonly at: number } = JSON.parse(entry)
  const user = found.info?.user ?? ''
  // Of an edit of before there was a table of edits only the text is known.
  const known =
    later.length > 0 || amended === undefined || typeof amended.entry === 'string'
      ? later
      : [{ text: amended.text ?? '', user, at: amended.at }]
  return { status: 200, body: { edits: [{ text, user, at, seq }, ...known] } }
})

async function laterTexts({ env }: AppContext, caller: Caller, id: string, seq: number): Promise<Edits> {
  const command = { ...actorOf(caller), kind: 'command' as const, name: listEdits.name, input: { seq } }
  const call = { gateway: null, have: null, commands: [command], request: env.request }
  const [result] = (await possibleConversation(env, caller.tenant, id).execute(call)).results
  const answer = result === undefined ? undefined : accepted(result)
  return answer?.kind === 'done' ? editList.parse(JSON.parse(answer.data)).edits : fail('internal-error', 'no answer')
}

type Edits = z.output<typeof editList>['edits']

async function readPage(c: AppContext, caller: Caller, id: string, query: HistoryQuery): Promise<MessagePage> {
  const page = await possibleConversation(c.env, caller.tenant, id).history(actorOf(caller), query)
  return await complete(c, caller, id, query, accepted(page))
}

/** The page with the entries that the conversation no longer holds. */
async function complete(
  c: AppContext,
  caller: Caller,
  conversation: string,
  query: HistoryQuery,
  page: MessagePage,
): Promise<MessagePage> {
  const { env, req } = c
  const { tenant } = caller
  const region = regionOf(req.raw, loadConfig(env))
  const read = await readHistory(env, { tenant, conversation }, query, {
    history: async () => page,
    placement: () => tenantOf(env, tenant).placement(),
    readPage: (shard, log, page) => shardReaderOf(env, shard, log.conversation).page(log, { ...page, region }),
    ahead: { reader: readerOf(caller), pay: () => mayAlso(c, 'requests') },
  })
  return accepted(read)
}

/** Names the reader among those of its tenant. */
const readerOf = (caller: Caller): string => (caller.kind === 'user' ? `user ${caller.user}` : `key ${caller.keyId}`)
