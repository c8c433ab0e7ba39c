import { shardReaderOf, tenantOf } from '../../../durable-objects/address.ts'
import { callTopic } from '../../../durable-objects/open-actors.ts'
import { coldHistory } from '../../adapters/cold-history.ts'
import type { Env } from '../../env.ts'
import { withoutDeleted } from '../../history/amend.ts'
import { completePage } from '../../history/page.ts'
import { charsOf } from '../../protocol/answer-size.ts'
import { parseChannel } from '../../protocol/channels.ts'
import { refuse, type Refusal } from '../../protocol/errors.ts'
import { sizes } from '../../protocol/limits.ts'
import { encodeHistory, type Publication } from '../../protocol/replies.ts'
import type { ServerApiRequest } from '../../protocol/server-api.ts'
import type { HistoryAnswer, HistoryQuery } from '../../protocol/stream.ts'
import { possibleConversation } from '../identity/conversation-ids.ts'
import { rulesOf, server, type Result } from './channels.ts'

/** Publications in one answer: as many as a namespace can keep. */
export const maxPublications = 10_000
/** Characters of data in one answer. */
const maxChars = 33_554_432

type Page = Extract<HistoryAnswer, { kind: 'page' }>
type ReadPage = (query: HistoryQuery) => Promise<Page | Refusal>

/**
 * What a topic or a conversation keeps, `limit` publications of it or with a negative limit all. Actors answer by the page,
 * so that many are read for one answer, each from where the last one ended.
 */
export async function history(
  env: Env,
  tenant: string,
  { channel, limit, since, reverse }: ServerApiRequest<'history'>,
): Promise<Result> {
  const read = await readerOf(env, tenant, channel)
  if (typeof read !== 'function') return read
  const wanted = limit < 0 ? Infinity : limit
  const first = await read({ limit, reverse, ...(since === undefined ? {} : { since }) })
  if (first.kind === 'refused') return first

  let all = [...first.publications]
  let page: Page = first
  for (let last = all.at(-1); last !== undefined; last = page.publications.at(-1)) {
    if (all.length > maxPublications || charsOf(all) > maxChars) return tooMuch
    if (all.length >= wanted || last.offset === (reverse ? 1 : first.top)) break
    const next = await read({ limit: wanted - all.length, reverse, since: { offset: last.offset, epoch: first.epoch } })
    if (next.kind === 'refused') return next
    page = reverse ? next : upTo(first.top, next)
    all = isTrimmedBehind(page, last.offset, reverse) ? [...page.publications] : [...all, ...page.publications]
  }
  return encodeHistory({ ...first, publications: all })
}

const tooMuch = refuse(
  'limitExceeded',
  `limit: an answer has at most ${maxPublications} publications and ${maxChars} characters of data; ask by the page, with since`,
)

/** How one page of the channel is read, whole also where the conversation itself has forgotten its words. */
async function readerOf(env: Env, tenant: string, channel: string): Promise<ReadPage | Refusal> {
  const parsed = parseChannel(channel)
  if (parsed?.kind === 'conversation') return (query) => readConversation(env, tenant, parsed.id, query)
  const rules = await rulesOf(env, tenant, channel)
  if ('kind' in rules) return rules
  // The topic would say so, too, but would have to be opened for that.
  if (rules.historySize === 0) return refuse('notAvailable', 'this namespace keeps no history')
  return (query) => callTopic(env, tenant, channel, false, (topic) => topic.history(rules, atMostAPage(query)))
}

async function readConversation(env: Env, tenant: string, id: string, query: HistoryQuery): Promise<Page | Refusal> {
  const answer = await possibleConversation(env, tenant, id).history(server, atMostAPage(query))
  if (answer.kind === 'refused') return answer
  const cold = coldHistory(env, {
    tenant,
    placement: () => tenantOf(env, tenant).placement(),
    readPage: (shard, log, page) => shardReaderOf(env, shard, log.conversation).page(log, page),
  })
  const page = await completePage(answer, query.reverse, (range) => cold.read(id, answer.epoch, range))
  return { ...answer, publications: withoutDeleted(page, answer.amendments) }
}

/** A number that a call between actors can carry. */
const atMostAPage = (query: HistoryQuery): HistoryQuery => ({
  ...query,
  limit: query.limit < 0 ? sizes.historyPage : Math.min(query.limit, sizes.historyPage),
})

/** What was published after the first page was read is beyond the position that the answer gives. */
const upTo = (top: number, page: Page): Page => ({
  ...page,
  publications: page.publications.filter(({ offset }) => offset <= top),
})

/** Whether what lay between the pages was dropped from the topic meanwhile, and with it everything before. */
const isTrimmedBehind = ({ publications }: Page, last: number, reverse: boolean): boolean => {
  const next: Publication | undefined = publications[0]
  return !reverse && next !== undefined && next.offset > last + 1
}
