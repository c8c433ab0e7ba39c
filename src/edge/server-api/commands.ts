import { z } from 'zod'
import type { Env } from '../../env.ts'
import { log, reasonOf } from '../../kernel/log.ts'
import { idsOf } from '../../kernel/request-context.ts'
import { explain } from '../../protocol/explain.ts'
import { TooManyActors } from '../../limits/open-actors.ts'
import { policyOf } from '../../limits/built-in-policies.ts'
import { refuse, refuseTooFast, type Refusal } from '../../protocol/errors.ts'
import { GivenJson, readGiven } from '../../protocol/given-json.ts'
import { textAt } from '../../protocol/protobuf/json-text.ts'
import {
  givenFields,
  serverApiBatch,
  serverApiRequests,
  toServerApiError,
  type ServerApiMethod,
  type ServerApiRequest,
} from '../../protocol/server-api.ts'
import { decideItems, touches, type ChargedCaller } from '../rate-limits/items.ts'
import { broadcast, presence, presenceStats, publish, removeHistory, type Result } from './channels.ts'
import { history } from './history.ts'
import { channels, disconnect, info, refresh, subscribe, unsubscribe } from './connections.ts'

type Params = GivenJson | undefined

type Handlers = {
  readonly [M in ServerApiMethod]: (env: Env, tenant: string, request: ServerApiRequest<M>) => Promise<Result>
}

const handlers: Handlers = {
  publish,
  broadcast: (env, tenant, request) => broadcast(env, tenant, request, encodeAnswer),
  subscribe,
  unsubscribe,
  disconnect,
  refresh,
  presence: (env, tenant, { channel }) => presence(env, tenant, channel),
  presence_stats: (env, tenant, { channel }) => presenceStats(env, tenant, channel),
  history,
  history_remove: (env, tenant, { channel }) => removeHistory(env, tenant, channel),
  channels,
  info,
}

/** Runs one method; JSON text of its answer. */
export async function answer(env: Env, caller: ChargedCaller, method: string, params: Params): Promise<string> {
  return encodeReply(method, await run(env, caller, method, params))
}

/** JSON text of an answer, `{"result":…}` or `{"error":…}`. A batch's is what it gives, as Centrifugo has it. */
export const encodeReply = (method: string, result: Result): string =>
  method === 'batch' && typeof result === 'string' ? result : encodeAnswer(result)

/** Runs one method. Never throws. */
export async function run(env: Env, caller: ChargedCaller, method: string, params: Params): Promise<Result> {
  try {
    if (method === 'batch') return await runBatch(env, caller, params)
    return isMethod(method)
      ? await runOne(env, caller, method, params)
      : refuse('methodNotFound', `${method}: one of ${Object.keys(serverApiRequests).join(', ')}, batch`)
  } catch (thrown) {
    if (thrown instanceof TooManyActors) return refuseTooFast('actors', thrown.retryAfterMs)
    log.error('server-api.failed', { ...idsOf(env.request), method, reason: reasonOf(thrown) })
    return refuse('internal', 'try again')
  }
}

async function runOne(env: Env, caller: ChargedCaller, method: ServerApiMethod, params: Params): Promise<Result> {
  const schema: z.ZodObject = serverApiRequests[method]
  const parsed = readGiven(schema, givenFields(schema, params))
  if (!parsed.success) return refuse('badRequest', explain(parsed.error))
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the schema is of this very method
  const handler = handlers[method] as (env: Env, tenant: string, request: unknown) => Promise<Result>
  const refused = await charge(env, caller, itemsOf(parsed.data))
  if (refused !== undefined) return refused
  // A broadcast is many calls of its own.
  const call = () => handler(env, caller.tenant, parsed.data)
  return await (method === 'broadcast' ? call() : touches.one(caller.tenant, call))
}

/** Commands one after the other, or all at once where their order is of no matter; a reply each, in order. */
async function runBatch(env: Env, caller: ChargedCaller, params: Params): Promise<Result> {
  const parsed = readGiven(serverApiBatch, givenFields(serverApiBatch, params))
  if (!parsed.success) return refuse('badRequest', explain(parsed.error))
  const { commands, parallel } = parsed.data
  const refused = await charge(env, caller, commands.length)
  if (refused !== undefined) return refused
  if (parallel) return replies(await severalAtOnce(commands, (command) => reply(env, caller, command)))
  const done: string[] = []
  for (const command of commands) {
    done.push(await reply(env, caller, command))
    if (done.length % inOneGo === 0) await scheduler.wait(1)
  }
  return replies(done)
}

/** Commands of one parallel batch under way at once: each is some actor calls, and other callers wait for all of them. */
const atOnce = 4
/** Commands of a batch in order after which others are served. */
const inOneGo = 16

async function severalAtOnce<T>(items: readonly T[], run: (item: T) => Promise<string>): Promise<string[]> {
  const results: string[] = []
  let next = 0
  const work = async () => {
    for (let place = next++; place < items.length; place = next++) {
      const item = items[place]
      if (item !== undefined) results[place] = await run(item)
      // Calls between actors of one process are done before anything else is handled: a timer lets others in.
      await scheduler.wait(1)
    }
  }
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, work))
  return results
}

async function reply(env: Env, caller: ChargedCaller, command: GivenJson): Promise<string> {
  const object = z.record(z.string(), z.unknown()).safeParse(command.value)
  if (!object.success) return encodeAnswer(refuse('badRequest', 'a command is {"<method>": {…}}'))
  const named = Object.entries(object.data).filter(([, params]) => params !== null)
  if (named.length > 1) return encodeAnswer(refuse('badRequest', 'a command has one method, these are several'))
  const [method, params] = named[0] ?? []
  if (method === undefined || !isMethod(method))
    return encodeAnswer(refuse('methodNotFound', 'a command is {"<method>": {…}}'))
  const given = new GivenJson(params, () => textAt(command.text, [method]) ?? 'null')
  const result = await run(env, caller, method, given)
  return typeof result === 'string' ? `{${JSON.stringify(method)}:${result}}` : encodeAnswer(result)
}

/** Charges the items of a request to its caller; returns a refusal when the caller may not have so many. */
async function charge(env: Env, caller: ChargedCaller, items: number): Promise<Refusal | undefined> {
  const decision = await decideItems(env, caller, items)
  if (decision.kind !== 'limited') return undefined
  const { retryAfterMs } = decision
  return refuse('tooManyRequests', `${policyOf(decision.key)}: wait ${retryAfterMs} ms`, retryAfterMs)
}

/** Channels of a broadcast; everything else is one item. */
const itemsOf = (request: unknown): number =>
  typeof request === 'object' && request !== null && 'channels' in request && Array.isArray(request.channels)
    ? request.channels.length
    : 1

const replies = (all: readonly string[]) => `{"replies":[${all.join(',')}]}`

const isMethod = (name: string): name is ServerApiMethod => Object.hasOwn(serverApiRequests, name)

/** An answer in the API's own form. */
const encodeAnswer = (result: Result): string =>
  typeof result === 'string' ? `{"result":${result}}` : JSON.stringify({ error: toServerApiError(result) })
