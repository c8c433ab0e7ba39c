import { z } from 'zod'
import { summarize } from '../../../jobs/metrics/queue-metrics.ts'
import { encodeJob } from '../../../jobs/model/view.ts'
import { encodeWith } from '../../../kernel/json.ts'
import {
  jobPage,
  jobsQuery,
  namedQueuePolicy,
  queueChange,
  queueList,
  queuePolicy,
  queueSecrets,
  queueState,
  redriveRequest,
  redriveResult,
} from '../../../protocol/jobs-api.ts'
import { queueName } from '../../../protocol/job-fields.ts'
import { defineOperation } from '../../../protocol/operation.ts'
import { operation } from '../../http/operations.ts'
import { exampleJob } from './examples.ts'
import { callExisting, callNew } from './existing-queue.ts'

const tag = 'Queues'
const access = 'server'
const path = '/v1/queues/{name}'
const params = z.object({ name: queueName })
const examplePolicy = { paused: false, concurrency: 50, rate: null, keyConcurrency: 1, keyRate: null }

const listQueues = operation(
  defineOperation({
    id: 'listQueues',
    method: 'get',
    path: '/v1/queues',
    tag,
    summary: 'List the names of your queues',
    access,
    responses: { 200: queueList },
    example: { response: { queues: ['default', 'mail'] } },
  }),
  async ({ c, caller }) => ({
    status: 200,
    body: { queues: await callNew(c.env, caller.tenant, 'default', (queue) => queue.queueNames()) },
  }),
)

const readQueue = operation(
  defineOperation({
    id: 'readQueue',
    method: 'get',
    path,
    tag,
    summary: 'Read the state of a queue and its rules',
    access,
    params,
    responses: { 200: queueState },
    example: {
      response: {
        name: 'default',
        ...examplePolicy,
        counts: { waiting: 2, delayed: 0, active: 1, done: 90, failed: 0, dead: 1, cancelled: 0 },
        oldestMs: 40,
        types: [{ type: 'http', attempts: 95, ended: { done: 90 }, durationsMs: { p50: 30, p90: 100, p99: 300 } }],
      },
    },
  }),
  async ({ c, caller, params: { name } }) => {
    const { tallies, policy, ...stats } = await callExisting(c.env, caller.tenant, name, (queue) => queue.stats())
    return { status: 200, body: { name, ...policy, ...stats, types: tallies.map(summarize) } }
  },
)

const changeQueue = operation(
  defineOperation({
    id: 'changeQueue',
    method: 'patch',
    path,
    tag,
    summary: 'Change how many jobs of a queue run at once, and how fast',
    access,
    params,
    body: queueChange,
    responses: { 200: namedQueuePolicy },
    example: { body: { concurrency: 50 }, response: { name: 'default', ...examplePolicy } },
  }),
  async ({ c, caller, params: { name }, body: { concurrency, rate, keyConcurrency, keyRate } }) => {
    const policy = await callNew(c.env, caller.tenant, name, (queue) =>
      queue.setPolicy(
        {
          ...(concurrency === undefined ? {} : { concurrency }),
          ...(rate === undefined ? {} : { rate }),
          ...(keyConcurrency === undefined ? {} : { keyConcurrency }),
          ...(keyRate === undefined ? {} : { keyRate }),
        },
        c.env.request,
      ),
    )
    return { status: 200, body: { name, ...policy } }
  },
)

const pauseQueue = operation(
  defineOperation({
    id: 'pauseQueue',
    method: 'post',
    path: '/v1/queues/{name}/pause',
    tag,
    summary: 'Start no more jobs of a queue',
    access,
    params,
    responses: { 200: queuePolicy },
    example: { response: { ...examplePolicy, paused: true } },
  }),
  async ({ c, caller, params: { name } }) => ({
    status: 200,
    body: await callNew(c.env, caller.tenant, name, (queue) => queue.setPolicy({ paused: true }, c.env.request)),
  }),
)

const resumeQueue = operation(
  defineOperation({
    id: 'resumeQueue',
    method: 'post',
    path: '/v1/queues/{name}/resume',
    tag,
    summary: 'Start jobs of a paused queue again',
    access,
    params,
    responses: { 200: queuePolicy },
    example: { response: examplePolicy },
  }),
  async ({ c, caller, params: { name } }) => ({
    status: 200,
    body: await callNew(c.env, caller.tenant, name, (queue) => queue.setPolicy({ paused: false }, c.env.request)),
  }),
)

const listJobs = operation(
  defineOperation({
    id: 'listJobs',
    method: 'get',
    path: '/v1/queues/{name}/jobs',
    tag,
    summary: 'List jobs of a queue by state',
    description: 'The newest first; dead jobs unless `state` says otherwise.',
    access,
    params,
    query: jobsQuery,
    responses: { 200: jobPage },
    example: { response: { jobs: [exampleJob], next: null } },
  }),
  async ({ c, caller, params: { name }, query: { state, cursor, limit } }) => {
    const { jobs, next } = await callExisting(c.env, caller.tenant, name, (queue) => queue.list(state, cursor, limit))
    return {
      status: 200,
      json: encodeWith({ next }, { jobs: `[${jobs.map((job) => encodeJob(job)).join(',')}]` }),
    }
  },
)

const redriveQueue = operation(
  defineOperation({
    id: 'redriveQueue',
    method: 'post',
    path: '/v1/queues/{name}/redrive',
    tag,
    summary: 'Let dead jobs of a queue try again',
    access,
    params,
    body: redriveRequest,
    optionalBody: true,
    responses: { 200: redriveResult },
    example: { body: { limit: 100 }, response: { redriven: 12, skipped: 1 } },
  }),
  async ({ c, caller, params: { name }, body: { limit } }) => ({
    status: 200,
    body: await callExisting(c.env, caller.tenant, name, (queue) => queue.redriveAll(limit, c.env.request)),
  }),
)

const readSecrets = operation(
  defineOperation({
    id: 'readQueueSecrets',
    method: 'get',
    path: '/v1/queues/{name}/secret',
    tag,
    summary: 'Read the secrets with which a queue signs its calls',
    access,
    params,
    isSecret: true,
    responses: { 200: queueSecrets },
    example: { response: { secrets: ['whsec_c2VjcmV0LXNlY3JldC1zZWNyZXQ='] } },
  }),
  async ({ c, caller, params: { name } }) => ({
    status: 200,
    body: { secrets: await callNew(c.env, caller.tenant, name, (queue) => queue.secrets(c.env.request)) },
  }),
)

const rotateSecret = operation(
  defineOperation({
    id: 'rotateQueueSecret',
    method: 'post',
    path: '/v1/queues/{name}/secret',
    tag,
    summary: 'Replace the secret; calls are signed with the old one as well for a while',
    access,
    params,
    isSecret: true,
    responses: { 200: queueSecrets },
    example: { response: { secrets: ['whsec_bmV3LW5ldy1uZXctbmV3', 'whsec_c2VjcmV0LXNlY3JldC1zZWNyZXQ='] } },
  }),
  async ({ c, caller, params: { name } }) => ({
    status: 200,
    body: { secrets: await callNew(c.env, caller.tenant, name, (queue) => queue.rotateSecret(c.env.request)) },
  }),
)

/** Queues of the tenant: their state, their rules and their dead jobs. */
export const queues = [
  listQueues,
  readQueue,
  changeQueue,
  pauseQueue,
  resumeQueue,
  listJobs,
  redriveQueue,
  readSecrets,
  rotateSecret,
]
