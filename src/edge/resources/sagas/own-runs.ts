import { z } from 'zod'
import { callSaga, callSagas } from '../../../../durable-objects/open-actors.ts'
import { percentilesOf } from '../../../kernel/histogram.ts'
import { defineOperation } from '../../../protocol/operation.ts'
import {
  sagaCancel,
  sagaList,
  sagaName,
  sagaRun,
  sagaRunId,
  sagaRunPage,
  sagaRunsQuery,
  sagaSkip,
  sagaStats,
} from '../../../protocol/sagas-api.ts'
import { sum } from '../../../sagas/metrics.ts'
import { ownSagas, ownSagasTenant } from '../../../sagas/own.ts'
import { operation } from '../../http/operations.ts'
import { accepted, fail } from '../../http/problem.ts'
import { exampleStatus, exampleSummary, pageOfRuns, runStatus, statusIn } from './saga-runs.ts'

const tag = 'Operator'
const access = 'operator'
const path = '/admin/v1/saga-runs/{id}'
const params = z.object({ id: sagaRunId })
const stepParams = z.object({ id: sagaRunId, step: sagaName })
/** As the history of a run names it. */
const by = 'operator'

const example = { ...exampleStatus, id: 'delete-acme-1790000000000', saga: 'tenant-deletion' }
const exampleRun = { ...exampleSummary, ...example }

const listOwnSagas = operation(
  defineOperation({
    id: 'listOwnSagas',
    method: 'get',
    path: '/admin/v1/sagas',
    tag,
    summary: 'List the sagas that the platform runs itself: the life of tenants',
    access,
    responses: { 200: sagaList },
    example: { response: { sagas: [{ name: 'tenant-deletion', version: 1 }] } },
  }),
  async () => ({
    status: 200,
    body: { sagas: Object.values(ownSagas).map(({ name, version }) => ({ name, version })) },
  }),
)

const readOwnSagaStats = operation(
  defineOperation({
    id: 'readOwnSagaStats',
    method: 'get',
    path: '/admin/v1/sagas/{name}/stats',
    tag,
    summary: 'Read how runs of a saga of the platform went',
    access,
    params: z.object({ name: sagaName }),
    responses: { 200: sagaStats },
    example: {
      response: {
        name: 'tenant-deletion',
        runs: { started: 3, completed: 2, compensated: 0, stuck: 0, attention: 0, open: 1 },
        durationsMs: { p50: 292, p90: 657, p99: 2217 },
        steps: [{ name: 'fence', done: 2, failed: 0, durationsMs: { p50: 58, p90: 87, p99: 292 } }],
      },
    },
  }),
  async ({ c, params: { name } }) => {
    if (!Object.hasOwn(ownSagas, name)) return fail('not-found', `name: the platform has no saga ${name}`)
    const all = await callSagas(c.env, ownSagasTenant, (saga) => saga.stats(name))
    const { steps, durations, ...counts } = sum(all.map(({ figures }) => figures))
    const total = (field: 'attention' | 'open') => all.reduce((n, one) => n + one[field], 0)
    return {
      status: 200,
      body: {
        name,
        runs: { ...counts, attention: total('attention'), open: total('open') },
        durationsMs: percentilesOf(durations),
        steps: Object.entries(steps).map(([step, { durations: own, ...figures }]) => ({
          name: step,
          ...figures,
          durationsMs: percentilesOf(own),
        })),
      },
    }
  },
)

const listOwnRuns = operation(
  defineOperation({
    id: 'listOwnSagaRuns',
    method: 'get',
    path: '/admin/v1/saga-runs',
    tag,
    summary: 'List runs of the sagas of the platform, the newest first',
    description: 'A page may have fewer runs than `limit`, also none, while `next` is not null.',
    access,
    query: sagaRunsQuery,
    responses: { 200: sagaRunPage },
    example: { response: { runs: [exampleRun], next: null } },
  }),
  async ({ c, query }) => ({ status: 200, body: await pageOfRuns(c.env, ownSagasTenant, query) }),
)

const readOwnRun = operation(
  defineOperation({
    id: 'readOwnSagaRun',
    method: 'get',
    path,
    tag,
    summary: 'Read a run of a saga of the platform with its steps and history',
    access,
    params,
    responses: { 200: sagaRun },
    example: {
      response: {
        ...exampleRun,
        input: { tenant: 'acme' },
        deadlineAt: 1_790_086_400_000,
        watchers: [],
        steps: [
          {
            name: 'grace',
            state: 'pausing',
            attempts: 0,
            reason: 'it can be restored',
            result: null,
            startedAt: 1_790_000_000_000,
            endedAt: null,
            dueAt: 1_790_604_800_000,
          },
        ],
        history: [{ n: 1, at: 1_790_000_000_000, event: 'started' }],
      },
    },
  }),
  async ({ c, params: { id } }) => {
    const run = await callSaga(c.env, ownSagasTenant, id, (saga) => saga.find(id))
    return run === undefined ? fail('not-found', `id: there is no run ${id}`) : { status: 200, body: run }
  },
)

const cancelOwnRun = operation(
  defineOperation({
    id: 'cancelOwnSagaRun',
    method: 'post',
    path: '/admin/v1/saga-runs/{id}/cancel',
    tag,
    summary: 'Compensate a run that has not passed its pivot: a tenant whose grace is not over is restored',
    access,
    params,
    body: sagaCancel,
    responses: { 200: runStatus },
    errors: ['conflict'],
    example: { body: { reason: 'deleted by mistake' }, response: { ...example, state: 'compensating' } },
  }),
  async ({ c, params: { id }, body: { reason } }) => ({
    status: 200,
    body: statusIn(accepted(await callSaga(c.env, ownSagasTenant, id, (saga) => saga.cancel(id, reason, by)))),
  }),
)

const retryOwnStep = operation(
  defineOperation({
    id: 'retryOwnSagaStep',
    method: 'post',
    path: '/admin/v1/saga-runs/{id}/steps/{step}/retry',
    tag,
    summary: 'Try a step again at once that waits for a person or for its next attempt',
    access,
    params: stepParams,
    responses: { 200: runStatus },
    errors: ['conflict'],
    example: { response: example },
  }),
  async ({ c, params: { id, step } }) => ({
    status: 200,
    body: statusIn(accepted(await callSaga(c.env, ownSagasTenant, id, (saga) => saga.retry(id, step, by)))),
  }),
)

const skipOwnStep = operation(
  defineOperation({
    id: 'skipOwnSagaStep',
    method: 'post',
    path: '/admin/v1/saga-runs/{id}/steps/{step}/skip',
    tag,
    summary: 'Take a step that waits for a person as done',
    description: 'Its work is not done by this: do so by hand first.',
    access,
    params: stepParams,
    body: sagaSkip,
    responses: { 200: runStatus },
    errors: ['conflict'],
    example: { body: { reason: 'placed by hand' }, response: example },
  }),
  async ({ c, params: { id, step }, body: { reason, result } }) => ({
    status: 200,
    body: statusIn(
      accepted(await callSaga(c.env, ownSagasTenant, id, (saga) => saga.skip(id, step, reason, result, by))),
    ),
  }),
)

/** The platform's own sagas, for its operator. */
export const ownRuns = [
  listOwnSagas,
  readOwnSagaStats,
  listOwnRuns,
  readOwnRun,
  cancelOwnRun,
  retryOwnStep,
  skipOwnStep,
]
