import { tenantOf } from '../../../../durable-objects/address.ts'
import { readHistory } from '../../../adapters/cold-history.ts'
import {
  exampleMessage,
  conversationParams,
  entryView,
  messageParams,
  entryPage,
} from '../../../protocol/conversation-views.ts'
import { encodeViews } from '../../../history/amend.ts'
import { messagesQuery } from '../../../protocol/api.ts'
import { defineOperation } from '../../../protocol/operation.ts'
import type { Publication } from '../../../protocol/replies.ts'
import type { HistoryAnswer, HistoryQuery } from '../../../protocol/stream.ts'
import type { AppContext } from '../../http/context.ts'
import { operation } from '../../http/operations.ts'
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
  const page = await readPage(c, caller, id, { limit, reverse: after === undefined, ...since })
  const newestFirst = after === undefined ? page.publications : page.publications.toReversed()
  const rest = JSON.stringify({ epoch: page.epoch, last: page.top, ...cursors(newestFirst, page.top) })
  return { status: 200, json: `{"messages":${encodeViews(newestFirst, page.amendments)},${rest.slice(1)}` }
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
export const getMessage = operation(get, async ({ c, caller, params: { id, seq } }) => {
  const query = { limit: 1, reverse: false, since: { offset: seq - 1, epoch: '' } }
  const { publications, amendments } = await readPage(c, caller, id, query)
  const found = publications.filter(({ offset }) => offset === seq)
  if (found.length === 0) return fail('not-found', `seq: there is no message ${seq}`)
  return { status: 200, json: encodeViews(found, amendments).slice(1, -1) }
})

type Page = Extract<HistoryAnswer, { kind: 'page' }>

async function readPage({ env }: AppContext, caller: Caller, id: string, query: HistoryQuery): Promise<Page> {
  const { tenant } = caller
  const stub = possibleConversation(env, tenant, id)
  const page = await readHistory(env, { tenant, conversation: id }, query, {
    history: (asked) => stub.history(actorOf(caller), asked),
    placement: () => tenantOf(env, tenant).placement(),
  })
  return accepted(page)
}

/** `before` leads to older, `after` to newer messages; null when there are none. */
function cursors(newestFirst: readonly Publication[], top: number) {
  const newest = newestFirst[0]?.offset ?? 0
  const oldest = newestFirst.at(-1)?.offset ?? 0
  return { before: oldest > 1 ? oldest : null, after: newest > 0 && newest < top ? newest : null }
}
