import { shardReaderOf, tenantOf } from '../../../../durable-objects/address.ts'
import { coldHistory } from '../../../adapters/cold-history.ts'
import { loadConfig } from '../../../config.ts'
import { replyPageView } from '../../../conversations/entry-views.ts'
import { encodeViews } from '../../../history/amend.ts'
import { readScattered } from '../../../history/page.ts'
import { messagesQuery } from '../../../protocol/api.ts'
import { exampleMessage, messageParams } from '../../../protocol/conversation-views.ts'
import { defineOperation } from '../../../protocol/operation.ts'
import { regionOf } from '../../http/connection.ts'
import { operation } from '../../http/operations.ts'
import { accepted } from '../../http/problem.ts'
import { possibleConversation } from '../../identity/conversation-ids.ts'
import { actorOf } from './caller.ts'

const definition = defineOperation({
  id: 'listReplies',
  method: 'get',
  path: '/v1/conversations/{id}/threads/{seq}/replies',
  tag: 'Messages',
  summary: 'Read the replies in a thread, newest first, however old',
  description:
    'seq is that of the message that begins the thread. Deleted replies keep their places. A page may have fewer replies than limit asks for: before and after say where to go on.',
  access: 'user-or-server',
  params: messageParams,
  query: messagesQuery,
  responses: { 200: replyPageView },
  example: {
    response: {
      replies: [{ ...exampleMessage, seq: 9, thread: 2 }],
      before: null,
      after: null,
      own: { follows: true, read: 7, unread: 1 },
    },
  },
})

/** Reads one page of the replies in a thread. Those that the conversation holds no more come from the cache or Postgres. */
export const listReplies = operation(definition, async ({ c, caller, params: { id, seq }, query }) => {
  const { env, req } = c
  const { tenant } = caller
  const { before, after, limit } = query
  const found = accepted(
    await possibleConversation(env, tenant, id).replies(actorOf(caller), { root: seq, before, after, limit }),
  )
  const region = regionOf(req.raw, loadConfig(env))
  const cold = coldHistory(env, {
    tenant,
    placement: () => tenantOf(env, tenant).placement(),
    readPage: (shard, log, page) => shardReaderOf(env, shard, log.conversation).page(log, { ...page, region }),
  })
  const { seqs, epoch, missing, publications, hasMore, own } = found
  const old = missing === undefined ? [] : await readScattered(missing, seqs, (range) => cold.read(id, epoch, range))
  const newestFirst = [...old, ...publications].toSorted((one, other) => other.offset - one.offset)
  const [newest, oldest] = [Math.max(0, ...seqs), Math.min(...seqs)]
  const isForward = after !== undefined
  const rest = JSON.stringify({
    before: seqs.length > 0 && (isForward ? after > seq : hasMore) ? oldest : null,
    after: seqs.length > 0 && (isForward ? hasMore : before !== undefined) ? newest : null,
    ...(own === undefined ? {} : { own }),
  })
  return {
    status: 200,
    json: `{"replies":${encodeViews(newestFirst, found.amendments, found.states)},${rest.slice(1)}`,
  }
})
