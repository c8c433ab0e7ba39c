import { z } from 'zod'
import { sagaCatalogOf } from '../../../../durable-objects/address.ts'
import { callSagas, sagaCatalogActor, whenAdmitted } from '../../../../durable-objects/open-actors.ts'
import { callEventLog } from '../../../../durable-objects/open-event-actors.ts'
import { loadConfig } from '../../../config.ts'
import type { Env } from '../../../env.ts'
import { ownTopic } from '../../../events/own-topic.ts'
import { badEndpoint } from '../../../kernel/outside-url.ts'
import { defineOperation } from '../../../protocol/operation.ts'
import {
  sagaDefinition,
  sagaList,
  sagaName,
  sagaSecrets,
  sagaStats,
  sagaVersion,
  sagaView,
  type SagaDefinition,
} from '../../../protocol/sagas-api.ts'
import { badDefinition, warningsOf, type EffectiveCall, type Definition } from '../../../sagas/definition.ts'
import { percentilesOf } from '../../../kernel/histogram.ts'
import { sum } from '../../../sagas/metrics.ts'
import { callableOperation } from '../../http/callable-operations.ts'
import { operation } from '../../http/operations.ts'
import { openOwnTopic } from '../events/own-topic.ts'
import { accepted, fail } from '../../http/problem.ts'

const tag = 'Sagas'
const access = 'server'
const path = '/v1/sagas/{name}'
const params = z.object({ name: sagaName })

const exampleDefinition = {
  steps: [
    {
      name: 'reserve',
      call: { url: 'https://stock.example.com/reservations', body: '{order: input.id, items: input.items}' },
      compensate: { url: 'https://stock.example.com/reservations/cancel' },
    },
    {
      name: 'pay',
      call: { url: 'https://pay.example.com/charges', body: '{order: input.id, amount: input.total}' },
      status: { url: 'https://pay.example.com/charges/status' },
      pivot: true,
    },
    { name: 'ship', call: { url: 'https://ship.example.com/shipment' } },
  ],
}

const shownDefinition = (definition: Definition) => {
  const { name: _, version: __, ...rest } = definition
  const { publish } = definition
  return {
    ...rest,
    steps: definition.steps.map((step) => ({ ...step })),
    ...(publish === undefined ? {} : { publish: { ...publish, types: [...publish.types] } }),
  }
}

const defineSaga = operation(
  defineOperation({
    id: 'defineSaga',
    method: 'put',
    path,
    tag,
    summary: 'Register a saga, or a new version of it',
    description:
      'Runs under way keep the version they started with. The same definition again is the same version. Mistakes in the order of ' +
      'steps, in expressions and in addresses are refused here; `warnings` names what is permitted and may not be meant.',
    access,
    params,
    body: sagaDefinition,
    responses: { 200: sagaVersion },
    errors: ['conflict'],
    example: { body: exampleDefinition, response: { name: 'order', version: 1, warnings: [] } },
  }),
  async ({ c, caller, params: { name }, body }) => {
    checkDefinition(c.env, body)
    if (body.publish !== undefined) {
      const { topic } = body.publish
      if (topic === ownTopic) await openOwnTopic(c.env, caller.tenant)
      const read = await callEventLog(c.env, caller.tenant, topic, (log) => log.read(Number.MAX_SAFE_INTEGER, 1))
      if (read.kind === 'refused') fail('invalid-request', `publish.${read.detail ?? read.error}`)
    }
    const stored = accepted(await catalog(c.env, caller.tenant, (own) => own.define(name, body)))
    const { version } = stored.definition
    return { status: 200, body: { name, version, warnings: warningsOf(body) } }
  },
)

const listSagas = operation(
  defineOperation({
    id: 'listSagas',
    method: 'get',
    path: '/v1/sagas',
    tag,
    summary: 'List your sagas',
    access,
    responses: { 200: sagaList },
    example: { response: { sagas: [{ name: 'order', version: 3 }] } },
  }),
  async ({ c, caller }) => ({ status: 200, body: { sagas: await catalog(c.env, caller.tenant, (own) => own.list()) } }),
)

const readSaga = operation(
  defineOperation({
    id: 'readSaga',
    method: 'get',
    path,
    tag,
    summary: 'Read the newest version of a saga, or the one asked for',
    access,
    params,
    query: z.strictObject({ version: z.coerce.number().int().min(1).optional() }),
    responses: { 200: sagaView },
    example: {
      response: {
        name: 'order',
        version: 1,
        warnings: [],
        definition: { ...exampleDefinition, stuckAfterSeconds: 3600 },
        createdAt: 1_790_000_000_000,
      },
    },
  }),
  async ({ c, caller, params: { name }, query: { version } }) => {
    const stored = await catalog(c.env, caller.tenant, (own) => own.find(name, version))
    if (stored === undefined) return noSaga(name, version)
    const { definition, createdAt } = stored
    return {
      status: 200,
      body: {
        name,
        version: definition.version,
        warnings: warningsOf(definition),
        definition: shownDefinition(definition),
        createdAt,
      },
    }
  },
)

const removeSaga = operation(
  defineOperation({
    id: 'removeSaga',
    method: 'delete',
    path,
    tag,
    summary: 'Delete a saga: no further run starts, runs under way go on',
    access,
    params,
    responses: { 204: null },
  }),
  async ({ c, caller, params: { name } }) => {
    const found = await catalog(c.env, caller.tenant, (own) => own.remove(name))
    return found ? { status: 204 } : noSaga(name)
  },
)

const readSagaStats = operation(
  defineOperation({
    id: 'readSagaStats',
    method: 'get',
    path: '/v1/sagas/{name}/stats',
    tag,
    summary: 'Read how runs of a saga went, and how long they and their steps took',
    access,
    params,
    responses: { 200: sagaStats },
    example: {
      response: {
        name: 'order',
        runs: { started: 120, completed: 110, compensated: 6, stuck: 1, attention: 1, open: 4 },
        durationsMs: { p50: 292, p90: 657, p99: 2217 },
        steps: [{ name: 'reserve', done: 119, failed: 1, durationsMs: { p50: 58, p90: 87, p99: 292 } }],
      },
    },
  }),
  async ({ c, caller, params: { name } }) => {
    const all = await callSagas(c.env, caller.tenant, (saga) => saga.stats(name))
    const { steps, durations, ...counts } = sum(all.map(({ figures }) => figures))
    const total = (field: 'attention' | 'open') => all.reduce((n, one) => n + one[field], 0)
    if (counts.started === 0 && (await catalog(c.env, caller.tenant, (own) => own.find(name))) === undefined)
      return noSaga(name)
    return {
      status: 200,
      body: {
        name,
        runs: { ...counts, attention: total('attention'), open: total('open') },
        durationsMs: percentilesOf(durations),
        steps: Object.entries(steps).map(([step, { done, failed, durations: own }]) => ({
          name: step,
          done,
          failed,
          durationsMs: percentilesOf(own),
        })),
      },
    }
  },
)

const readSagaSecrets = operation(
  defineOperation({
    id: 'readSagaSecrets',
    method: 'get',
    path: '/v1/saga-secrets',
    tag,
    summary: 'Read the secrets that sign calls of sagas, the newest first',
    access,
    isSecret: true,
    responses: { 200: sagaSecrets },
    example: { response: { secrets: ['whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'] } },
  }),
  async ({ c, caller }) => ({
    status: 200,
    body: { secrets: await catalog(c.env, caller.tenant, (own) => own.secrets()) },
  }),
)

const rotateSagaSecret = operation(
  defineOperation({
    id: 'rotateSagaSecret',
    method: 'post',
    path: '/v1/saga-secrets/rotate',
    tag,
    summary: 'Make a new secret for calls of sagas; the previous one signs beside it for a day',
    access,
    isSecret: true,
    responses: { 200: sagaSecrets },
    example: {
      response: { secrets: ['whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw', 'whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD'] },
    },
  }),
  async ({ c, caller }) => ({
    status: 200,
    body: { secrets: await catalog(c.env, caller.tenant, (own) => own.rotateSecret()) },
  }),
)

/** Definitions of sagas, their figures, and the secrets that sign their calls. */
export const sagas = [defineSaga, listSagas, readSaga, removeSaga, readSagaStats, readSagaSecrets, rotateSagaSecret]

const noSaga = (name: string, version?: number) =>
  fail(
    'not-found',
    `name: there is no saga ${name}${version === undefined ? '' : ` with version ${version}`}; PUT /v1/sagas/${name} registers one`,
  )

/** Refuses what can be known to be wrong before a run starts. */
function checkDefinition(env: Env, definition: SagaDefinition): void {
  const bad = badDefinition(definition)
  if (bad !== undefined) fail('invalid-request', bad)
  for (const [index, { call, operation: own, compensate, status }] of definition.steps.entries())
    for (const [field, action] of Object.entries({ call, operation: own, compensate, status }))
      if (action !== undefined) checkAction(env, action, `steps.${index}.${field}`)
}

function checkAction(env: Env, action: EffectiveCall, at: string): void {
  if ('url' in action) {
    const bad = badEndpoint(action.url, loadConfig(env).endpoints)
    if (bad !== undefined) fail('invalid-request', `${at}.${bad}`)
  } else if (callableOperation(action.operation) === undefined)
    fail('invalid-request', `${at}.operation: "${action.operation}" is no operation that a tenant's server may call`)
}

async function catalog<R>(
  env: Env,
  tenant: string,
  call: (own: ReturnType<typeof sagaCatalogOf>) => R,
): Promise<Awaited<R>> {
  const ready = whenAdmitted(env, sagaCatalogActor(tenant))
  if (ready instanceof Promise) await ready
  return await call(sagaCatalogOf(env, tenant))
}
