import { z } from 'zod'
import { callSaga, callSagas } from '../../../../durable-objects/open-actors.ts'
import type { Env } from '../../../env.ts'
import { defineOperation } from '../../../protocol/operation.ts'
import {
  newSagaRun,
  sagaCancel,
  sagaName,
  sagaRun,
  sagaRunId,
  sagaRunPage,
  sagaRunReceipt,
  sagaRunsQuery,
  sagaRunState,
  sagaSignal,
  sagaSkip,
} from '../../../protocol/sagas-api.ts'
import { operation } from '../../http/operations.ts'
import { accepted, fail } from '../../http/problem.ts'

const tag = 'Sagas'
const access = 'server'
const path = '/v1/saga-runs/{id}'
const params = z.object({ id: sagaRunId })
const stepParams = z.object({ id: sagaRunId, step: sagaName })

/** The state of a run after a change. */
export const runStatus = z.object({ id: z.string(), saga: z.string(), version: z.int(), state: sagaRunState })
export const exampleStatus = { id: 'order-17', saga: 'order', version: 1, state: 'running' } as const

export const exampleSummary = {
  ...exampleStatus,
  isStuck: false,
  startedAt: 1_790_000_000_000,
  endedAt: null,
  reason: null,
}

const startSagaRun = operation(
  defineOperation({
    id: 'startSagaRun',
    method: 'post',
    path: '/v1/sagas/{name}/runs',
    tag,
    summary: 'Start a run of a saga',
    description:
      'The same id again is the same run: a repeat is answered with 200 and `duplicate: true`, and with 409 when saga or input differ. ' +
      'A new version of a saga is used within a second.',
    access,
    params: z.object({ name: sagaName }),
    body: newSagaRun,
    responses: { 201: sagaRunReceipt, 200: sagaRunReceipt },
    errors: ['conflict'],
    example: {
      body: { id: 'order-17', input: { id: 17, total: 99 }, watchers: ['alice'] },
      response: { ...exampleStatus, duplicate: false },
    },
  }),
  async ({ c, caller, params: { name }, body: { id, version, input, watchers, keepSeconds } }) => {
    const wanted = { id, saga: name, version, input, watchers, keepMs: keepSeconds * 1000 }
    const { kind: _, ...started } = accepted(await callSaga(c.env, caller.tenant, id, (saga) => saga.start(wanted)))
    return started.duplicate ? { status: 200, body: started } : { status: 201, body: started }
  },
)

const readSagaRun = operation(
  defineOperation({
    id: 'readSagaRun',
    method: 'get',
    path,
    tag,
    summary: 'Read a run with its steps and history',
    access,
    params,
    responses: { 200: sagaRun },
    example: {
      response: {
        ...exampleSummary,
        input: { id: 17 },
        deadlineAt: 1_790_086_400_000,
        watchers: ['alice'],
        steps: [
          {
            name: 'reserve',
            state: 'active',
            attempts: 0,
            reason: null,
            result: null,
            startedAt: 1_790_000_000_000,
            endedAt: null,
            dueAt: 1_790_000_030_000,
          },
        ],
        history: [{ n: 1, at: 1_790_000_000_000, event: 'started' }],
      },
    },
  }),
  async ({ c, caller, params: { id } }) => {
    const run = await callSaga(c.env, caller.tenant, id, (saga) => saga.find(id))
    return run === undefined ? fail('not-found', `id: there is no run ${id}`) : { status: 200, body: run }
  },
)

const listSagaRuns = operation(
  defineOperation({
    id: 'listSagaRuns',
    method: 'get',
    path: '/v1/saga-runs',
    tag,
    summary: 'List runs, the newest first',
    description: 'A page may have fewer runs than `limit`, also none, while `next` is not null.',
    access,
    query: sagaRunsQuery,
    responses: { 200: sagaRunPage },
    example: { response: { runs: [exampleSummary], next: null } },
  }),
  async ({ c, caller, query }) => ({ status: 200, body: await pageOfRuns(c.env, caller.tenant, query) }),
)

/** A page of a tenant's runs, the newest first. */
export async function pageOfRuns(
  env: Env,
  tenant: string,
  { saga, state, stuck, cursor, limit }: z.output<typeof sagaRunsQuery>,
) {
  const before = positionIn(cursor)
  const pages = await callSagas(env, tenant, (one) => one.list({ saga, state, stuck, before, limit }))
  const runs = pages.flatMap((page) => page.runs).toSorted(isNewer)
  // An actor that has more was looked through down to its last run only: what is older is left to the next page.
  const bounds = pages.flatMap(({ last }) => (last === undefined ? [] : [last])).toSorted(isNewer)
  const bound = bounds[0]
  const shown = runs.filter((run) => bound === undefined || isNewer(run, bound) <= 0).slice(0, limit)
  const isCut = shown.length < runs.length || bound !== undefined
  const last = shown.length === limit ? (shown.at(-1) ?? bound) : bound
  return { runs: shown, next: isCut && last !== undefined ? `${last.startedAt}:${last.id}` : null }
}

const signalSagaRun = operation(
  defineOperation({
    id: 'signalSagaRun',
    method: 'post',
    path: '/v1/saga-runs/{id}/signals/{signal}',
    tag,
    summary: 'Give a signal to the step that waits for it, or will',
    access,
    params: z.object({ id: sagaRunId, signal: sagaName }),
    body: sagaSignal,
    optionalBody: true,
    responses: { 200: runStatus },
    errors: ['conflict'],
    example: { body: { data: { approvedBy: 'bob' } }, response: exampleStatus },
  }),
  async ({ c, caller, params: { id, signal }, body: { data } }) => ({
    status: 200,
    body: statusIn(
      accepted(await callSaga(c.env, caller.tenant, id, (saga) => saga.signal(id, signal, data, caller.keyId))),
    ),
  }),
)

const cancelSagaRun = operation(
  defineOperation({
    id: 'cancelSagaRun',
    method: 'post',
    path: '/v1/saga-runs/{id}/cancel',
    tag,
    summary: 'Compensate a run that has not passed its pivot',
    access,
    params,
    body: sagaCancel,
    responses: { 200: runStatus },
    errors: ['conflict'],
    example: { body: { reason: 'the customer called' }, response: { ...exampleStatus, state: 'compensating' } },
  }),
  async ({ c, caller, params: { id }, body: { reason } }) => ({
    status: 200,
    body: statusIn(accepted(await callSaga(c.env, caller.tenant, id, (saga) => saga.cancel(id, reason, caller.keyId)))),
  }),
)

const retrySagaStep = operation(
  defineOperation({
    id: 'retrySagaStep',
    method: 'post',
    path: '/v1/saga-runs/{id}/steps/{step}/retry',
    tag,
    summary: 'Try a step again that waits for a person or for its next attempt',
    access,
    params: stepParams,
    responses: { 200: runStatus },
    errors: ['conflict'],
    example: { response: exampleStatus },
  }),
  async ({ c, caller, params: { id, step } }) => ({
    status: 200,
    body: statusIn(accepted(await callSaga(c.env, caller.tenant, id, (saga) => saga.retry(id, step, caller.keyId)))),
  }),
)

const skipSagaStep = operation(
  defineOperation({
    id: 'skipSagaStep',
    method: 'post',
    path: '/v1/saga-runs/{id}/steps/{step}/skip',
    tag,
    summary: 'Take a step that waits for a person as done, with the result that you give',
    description: 'While the run is compensated: take the compensation of the step as made.',
    access,
    params: stepParams,
    body: sagaSkip,
    responses: { 200: runStatus },
    errors: ['conflict'],
    example: { body: { reason: 'shipped by hand', result: { shipment: 'P1' } }, response: exampleStatus },
  }),
  async ({ c, caller, params: { id, step }, body: { reason, result } }) => ({
    status: 200,
    body: statusIn(
      accepted(await callSaga(c.env, caller.tenant, id, (saga) => saga.skip(id, step, reason, result, caller.keyId))),
    ),
  }),
)

/** Runs of sagas. */
export const sagaRuns = [
  startSagaRun,
  listSagaRuns,
  readSagaRun,
  signalSagaRun,
  cancelSagaRun,
  retrySagaStep,
  skipSagaStep,
]

interface Position {
  readonly startedAt: number
  readonly id: string
}

function positionIn(cursor: string | undefined): Position {
  if (cursor === undefined) return { startedAt: Number.MAX_SAFE_INTEGER, id: '' }
  const colon = cursor.indexOf(':')
  return { startedAt: Number(cursor.slice(0, colon)), id: cursor.slice(colon + 1) }
}

/** Orders runs by their start, the newest first; those of one moment by their ids, as SQLite compares them. */
const isNewer = (a: Position, b: Position): number =>
  b.startedAt - a.startedAt || (a.id === b.id ? 0 : a.id < b.id ? 1 : -1)

export const statusIn = ({ id, saga, version, state }: z.input<typeof runStatus>) => ({ id, saga, version, state })
