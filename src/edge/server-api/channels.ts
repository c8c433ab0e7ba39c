import { tenantOf } from '../../../durable-objects/address.ts'
import { callTopic } from '../../../durable-objects/open-actors.ts'
import { loadConfig } from '../../config.ts'
import type { Env } from '../../env.ts'
import { systemClock } from '../../kernel/clock.ts'
import { log, reasonOf } from '../../kernel/log.ts'
import { idsOf } from '../../kernel/request-context.ts'
import { TooManyActors } from '../../limits/open-actors.ts'
import { parseChannel, channelProblem } from '../../protocol/channels.ts'
import { carry, givenInBase64 } from '../../protocol/publication-data.ts'
import { refuse, refuseTooFast, type Refusal } from '../../protocol/errors.ts'
import { sizes } from '../../protocol/limits.ts'
import { encodeInfo } from '../../protocol/replies.ts'
import type { ServerApiRequest } from '../../protocol/server-api.ts'
import type { TopicRules } from '../../protocol/stream.ts'
import { maxListed, type Presence, type PresenceForm } from '../../realtime/presence-table.ts'
import { topicRules } from '../../topics/namespaces.ts'
import { possibleConversation } from '../identity/conversation-ids.ts'
import { touches } from '../rate-limits/items.ts'
import { tenantRecordOf } from '../identity/tenants.ts'

/** JSON text of a result, or why there is none. */
export type Result = string | Refusal

/** The tenant's server, as a conversation knows it. */
export const server = { user: '', client: '', server: true }

/** Says something in a topic: `{offset, epoch}`. */
export async function publish(env: Env, tenant: string, request: ServerApiRequest<'publish'>): Promise<Result> {
  const data = dataOf(request)
  if (typeof data !== 'string') return data
  return await publishText(env, tenant, request.channel, data, request)
}

/** The same in many topics: a response each, in order. */
export async function broadcast(
  env: Env,
  tenant: string,
  { channels, ...request }: ServerApiRequest<'broadcast'>,
  encode: (result: Result) => string,
): Promise<Result> {
  const data = dataOf(request)
  if (typeof data !== 'string') return data
  const responses = await touches.each(tenant, channels, (channel) => publishOne(env, tenant, channel, data, request))
  return `{"responses":[${responses.map(encode).join(',')}]}`
}

/** The subscribers by connection. Of a large channel there are figures only. */
export async function presence(env: Env, tenant: string, channel: string): Promise<Result> {
  const known = await presenceOf(env, tenant, channel, 'list')
  if (known.kind === 'refused') return known
  const { clients, connections } = known
  if (connections > maxListed)
    return refuse('notAvailable', `more than ${maxListed} connections: ask for presence_stats`)
  const entries = clients.map((info) => `${JSON.stringify(info.client)}:${encodeInfo(info)}`)
  return `{"presence":{${entries.join(',')}}}`
}

export async function presenceStats(env: Env, tenant: string, channel: string): Promise<Result> {
  const known = await presenceOf(env, tenant, channel, 'figures')
  if (known.kind === 'refused') return known
  return JSON.stringify({ num_clients: known.connections, num_users: known.users })
}

/** A topic forgets what was said; a conversation never does at once. */
export async function removeHistory(env: Env, tenant: string, channel: string): Promise<Result> {
  const rules = await rulesOf(env, tenant, channel)
  if ('kind' in rules) return rules
  if (rules.historySize === 0) return refuse('notAvailable', 'this namespace keeps no history')
  await callTopic(env, tenant, channel, false, (topic) => topic.removeHistory())
  return '{}'
}

type Said = Omit<ServerApiRequest<'publish'>, 'channel' | 'data' | 'b64data'>

/** A failure of one channel does not affect the others: a caller that retries must know which to leave out. */
async function publishOne(env: Env, tenant: string, channel: string, data: string, said: Said): Promise<Result> {
  try {
    return await publishText(env, tenant, channel, data, said)
  } catch (thrown) {
    if (thrown instanceof TooManyActors) return refuseTooFast('actors', thrown.retryAfterMs)
    log.error('server-api.failed', { ...idsOf(env.request), method: 'broadcast', channel, reason: reasonOf(thrown) })
    return refuse('internal', 'try again')
  }
}

async function publishText(env: Env, tenant: string, channel: string, data: string, said: Said): Promise<Result> {
  const rules = await rulesOf(env, tenant, channel)
  if ('kind' in rules) return rules
  const { tags, idempotency_key: idempotencyKey = '', version = 0, version_epoch: epoch = '' } = said
  if (version === 0 && epoch !== '') return refuse('badRequest', 'version_epoch: only with a version above 0')
  const command = {
    ...server,
    kind: 'publish' as const,
    data,
    ...(tags === undefined ? {} : { tags }),
    ...(idempotencyKey === '' ? {} : { idempotencyKey }),
    ...(said.skip_history === true ? { skipHistory: true as const } : {}),
    ...(version === 0 ? {} : { version: { version, epoch } }),
  }
  const call = { gateway: null, have: null, rules, commands: [command], request: env.request }
  const { results } = await callTopic(env, tenant, channel, false, (topic) => topic.execute(call))
  const [result = refuse('internal')] = results
  if (result.kind === 'refused') return result
  return result.kind === 'done' ? result.data : refuse('internal')
}

async function presenceOf(env: Env, tenant: string, channel: string, form: PresenceForm): Promise<Presence | Refusal> {
  const parsed = parseChannel(channel)
  if (parsed?.kind === 'conversation') return await possibleConversation(env, tenant, parsed.id).presence(server, form)
  const rules = await rulesOf(env, tenant, channel)
  return 'kind' in rules ? rules : await callTopic(env, tenant, channel, false, (topic) => topic.presence(form))
}

/** How a topic is kept; a refusal for channels that are none, which says where their way is. */
export async function rulesOf(env: Env, tenant: string, channel: string): Promise<TopicRules | Refusal> {
  const parsed = parseChannel(channel)
  if (parsed === undefined) return channelProblem(channel)
  if (parsed.kind === 'conversation')
    return refuse('notAvailable', 'a conversation has messages: POST /v1/conversations/:id/messages')
  if (parsed.kind !== 'topic') return refuse('notAvailable', `${channel}: this stream is written by the system itself`)
  const record = await tenantRecordOf(env, tenant, systemClock.now())
  const isOpen = loadConfig(env).open?.tenant === tenant
  const believed = record === undefined ? undefined : topicRules(record, channel, isOpen)
  // A namespace that this isolate does not know may be new, so the tenant's actor is asked.
  const stored = believed === undefined ? await tenantOf(env, tenant).record() : undefined
  const rules = believed ?? (stored === undefined ? undefined : topicRules(stored, channel, isOpen))
  return (
    rules ?? refuse('unknownChannel', `${parsed.namespace}: no such namespace; make it with PUT /v1/namespaces/:name`)
  )
}

/** Why there is no such channel, if there is none; also asked where no connection would be found to ask. */
export async function unknownChannel(env: Env, tenant: string, channel: string): Promise<Refusal | undefined> {
  const parsed = parseChannel(channel)
  if (parsed === undefined) return channelProblem(channel)
  if (parsed.kind !== 'topic') return undefined
  const rules = await rulesOf(env, tenant, channel)
  return 'kind' in rules ? rules : undefined
}

interface Data {
  readonly data?: string | undefined
  readonly b64data?: string | undefined
}

/** What is to be said, as it is carried. */
const dataOf = (given: Data): Result => optionalData(given) ?? refuse('badRequest', 'data: must be there')

/** What was given as JSON or, which is preferred, in base64, as it is carried; undefined where nothing was. */
export function optionalData(
  { data, b64data = '' }: Data,
  bytes: number = sizes.bodyBytes,
  field = 'b64data',
): Result | undefined {
  if (b64data === '') return data
  const given = givenInBase64(b64data)
  if (given === undefined) return refuse('badRequest', `${field}: must be base64`)
  const said = carry(given, bytes)
  return 'bad' in said ? refuse('badRequest', `${field}: ${said.bad}`) : said.data
}
