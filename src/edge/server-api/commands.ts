import { z } from 'zod'
import type { Env } from '../../env.ts'
import { log, reasonOf } from '../../kernel/log.ts'
import { explain } from '../../protocol/commands.ts'
import { refuse } from '../../protocol/errors.ts'
import { GivenJson, readGiven } from '../../protocol/given-json.ts'
import {
  givenFields,
  serverApiBatch,
  serverApiRequests,
  toServerApiError,
  type ServerApiMethod,
  type ServerApiRequest,
} from '../../protocol/server-api.ts'
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
export async function answer(env: Env, tenant: string, method: string, params: Params): Promise<string> {
  return encodeReply(method, await run(env, tenant, method, params))
}

/** JSON text of an answer, `{"result":…}` or `{"error":…}`. A batch's is what it gives, as Centrifugo has it. */
export const encodeReply = (method: string, result: Result): string =>
  method === 'batch' && typeof result === 'string' ? result : encodeAnswer(result)

/** Runs one method. Never throws. */
export async function run(env: Env, tenant: string, method: string, params: Params): Promise<Result> {
  try {
    if (method === 'batch') return await runBatch(env, tenant, params)
    return isMethod(method)
      ? await runOne(env, tenant, method, params)
      : refuse('methodNotFound', `${method}: one of ${Object.keys(serverApiRequests).join(', ')}, batch`)
  } catch (thrown) {
    log.error('server-api.failed', { method, why: reasonOf(thrown) })
    return refuse('internal', 'try again')
  }
}

async function runOne(env: Env, tenant: string, method: ServerApiMethod, params: Params): Promise<Result> {
  const schema: z.ZodObject = serverApiRequests[method]
  const parsed = readGiven(schema, givenFields(schema, params))
  if (!parsed.success) return refuse('badRequest', explain(parsed.error))
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the schema is of this very method
  const handler = handlers[method] as (env: Env, tenant: string, request: unknown) => Promise<Result>
  return await handler(env, tenant, parsed.data)
}

/** Commands one after the other, or all at once where their order is of no matter; a reply each, in order. */
async function runBatch(env: Env, tenant: string, params: Params): Promise<Result> {
  const parsed = readGiven(serverApiBatch, givenFields(serverApiBatch, params))
  if (!parsed.success) return refuse('badRequest', explain(parsed.error))
  const { commands, parallel } = parsed.data
  if (parallel) return replies(await Promise.all(commands.map((command) => reply(env, tenant, command))))
  const done: string[] = []
  for (const command of commands) done.push(await reply(env, tenant, command))
  return replies(done)
}

async function reply(env: Env, tenant: string, command: GivenJson): Promise<string> {
  const object = z.record(z.string(), z.unknown()).safeParse(command.value)
  if (!object.success) return encodeAnswer(refuse('badRequest', 'a command is {"<method>": {…}}'))
  const named = Object.entries(object.data).filter(([, params]) => params !== null)
  if (named.length > 1) return encodeAnswer(refuse('badRequest', 'a command has one method, these are several'))
  const [method, params] = named[0] ?? []
  if (method === undefined || !isMethod(method))
    return encodeAnswer(refuse('methodNotFound', 'a command is {"<method>": {…}}'))
  const given = new GivenJson(params, () => command.textAt(method) ?? 'null')
  const result = await run(env, tenant, method, given)
  return typeof result === 'string' ? `{${JSON.stringify(method)}:${result}}` : encodeAnswer(result)
}

const replies = (all: readonly string[]) => `{"replies":[${all.join(',')}]}`

const isMethod = (name: string): name is ServerApiMethod => Object.hasOwn(serverApiRequests, name)

/** An answer in the API's own form. */
const encodeAnswer = (result: Result): string =>
  typeof result === 'string' ? `{"result":${result}}` : JSON.stringify({ error: toServerApiError(result) })
