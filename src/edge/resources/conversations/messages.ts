import { currentRequest } from '../../../adapters/request-context.ts'
import { Hono } from 'hono'
import { z } from 'zod'
import { jobQueueOf, tenantOf } from '../../../../durable-objects/address.ts'
import { coldHistory } from '../../../adapters/cold-history.ts'
import { encodeViews } from '../../../history/amend.ts'
import { completePage } from '../../../history/page.ts'
import { deliveryPayload, scheduled } from '../../../jobs/schedules/scheduled-message.ts'
import { uuidFrom } from '../../../kernel/id.ts'
import { messageChange, messagesQuery, newMessage, seqParam } from '../../../protocol/api.ts'
import { conversationId, toContent, type MessageContent } from '../../../protocol/payloads.ts'
import type { Publication } from '../../../protocol/replies.ts'
import type { HistoryAnswer } from '../../../protocol/stream.ts'
import type { App, AppContext } from '../../http/context.ts'
import { body, json, param, query } from '../../http/input.ts'
import { known } from '../../middleware/authenticate.ts'
import { accepted, fail } from '../../http/problem.ts'
import { actorOf, execute, limitMessages, stub } from './conversations.ts'

/** The messages of one conversation. */
export const messages = new Hono<App>()
  .post('/', async (c) => {
    const { user: speaker, deliverAt, ...given } = await body(c, newMessage)
    const content = toContent(given)
    const user = speakerOf(c, speaker)
    await limitMessages(c)
    if (deliverAt !== undefined) {
      const later = await schedule(c, user, content, deliverAt)
      return c.json(later, later.duplicate ? 200 : 202)
    }
    const sent = await execute(c, { kind: 'send', content }, user)
    return c.json(sent, isRepeat(sent) ? 200 : 201)
  })
  .get('/', async (c) => {
    const { before, after, limit } = query(c, messagesQuery)
    const page = await readPage(c, before, after, limit)
    const newestFirst = after === undefined ? page.publications : page.publications.toReversed()
    const rest = JSON.stringify({ epoch: page.epoch, last: page.top, ...cursors(newestFirst, page.top) })
    return json(c, `{"messages":${encodeViews(newestFirst, page.amendments)},${rest.slice(1)}`)
  })
  .get('/:seq', async (c) => {
    const seq = param(c, 'seq', seqParam)
    const { publications, amendments } = await readPage(c, undefined, seq - 1, 1)
    const found = publications.filter(({ offset }) => offset === seq)
    if (found.length === 0) return fail('not-found', `seq: there is no message ${seq}`)
    return json(c, encodeViews(found, amendments).slice(1, -1))
  })
  .patch('/:seq', async (c) => {
    const { text } = await body(c, messageChange)
    await limitMessages(c)
    return c.json(await execute(c, { kind: 'edit', seq: param(c, 'seq', seqParam), text }))
  })
  .delete('/:seq', async (c) => {
    await limitMessages(c)
    await execute(c, { kind: 'delete', seq: param(c, 'seq', seqParam) })
    return c.body(null, 204)
  })

/** Whether the same clientId was sent before: nothing was made, so the answer is 200 and not 201 or 202. */
const isRepeat = (answer: unknown): boolean => repeated.safeParse(answer).success
const repeated = z.object({ duplicate: z.literal(true) })

/** A user speaks as itself; an API key as the member it names, or as the tenant itself. */
function speakerOf(c: AppContext, speaker: string | undefined): string {
  const principal = known(c)
  if (principal.kind === 'server') return speaker ?? ''
  if (speaker !== undefined && speaker !== principal.user)
    fail('not-allowed', 'user: only an API key may speak for others')
  return principal.user
}

/** A message for later is a job; it is safe once the queue's ledger has it. */
async function schedule(c: AppContext, user: string, content: MessageContent, runAt: number) {
  const { tenant } = known(c)
  const conversation = param(c, 'id', conversationId)
  accepted(await stub(c).admitsWriter(actorOf(known(c), user)))
  const id = await uuidFrom(JSON.stringify([tenant, conversation, user, content.clientId]))
  const job = { id, type: 'deliver-message', payload: deliveryPayload(conversation, user, content), runAt }
  const queued = accepted(await jobQueueOf(c.env, tenant, 'default').enqueue(job, currentRequest()))
  return accepted(scheduled(queued, runAt)).says
}

type Page = Extract<HistoryAnswer, { kind: 'page' }>

async function readPage(
  c: AppContext,
  before: number | undefined,
  after: number | undefined,
  limit: number,
): Promise<Page> {
  const { tenant } = known(c)
  const reverse = after === undefined
  const offset = reverse ? before : after
  const since = offset === undefined ? {} : { since: { offset, epoch: '' } }
  const page = accepted(await stub(c).history(actorOf(known(c)), { limit, reverse, ...since }))

  const cold = coldHistory(c.env, { tenant, placement: () => tenantOf(c.env, tenant).placement() })
  const conversation = param(c, 'id', conversationId)
  const publications = await completePage(page, reverse, (range) => cold.read(conversation, page.epoch, range))
  return { ...page, publications }
}

/** `before` leads to older, `after` to newer messages; null when there are none. */
function cursors(newestFirst: readonly Publication[], top: number) {
  const newest = newestFirst[0]?.offset ?? 0
  const oldest = newestFirst.at(-1)?.offset ?? 0
  return { before: oldest > 1 ? oldest : null, after: newest > 0 && newest < top ? newest : null }
}
