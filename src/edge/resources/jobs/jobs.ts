import { z } from 'zod'
import type { Env } from '../../../env.ts'
import { encodeJob } from '../../../jobs/model/view.ts'
import { jobDetails, jobInQueue, jobQuery, jobReport } from '../../../protocol/jobs-api.ts'
import { jobId } from '../../../protocol/job-fields.ts'
import { defineOperation } from '../../../protocol/operation.ts'
import { operation } from '../../http/operations.ts'
import { accepted, fail } from '../../http/problem.ts'
import { exampleJob } from './examples.ts'
import { enqueueJob } from './enqueue-job.ts'
import { enqueueJobs } from './enqueue-jobs.ts'
import { callExisting, hasQueue } from './existing-queue.ts'

const tag = 'Jobs'
const access = 'server'
const params = z.object({ id: jobId })
const query = jobQuery
const path = '/v1/jobs/{id}'

const readJob = operation(
  defineOperation({
    id: 'readJob',
    method: 'get',
    path,
    tag,
    summary: 'Read a job, in any of your queues',
    access,
    params,
    query,
    responses: { 200: jobDetails },
    example: { response: { ...exampleJob, queue: 'default', lines: [] } },
  }),
  async ({ c, caller, params: { id }, query: { queue: named } }) => {
    const { queue, job } = await find(c.env, caller.tenant, id, named)
    return { status: 200, json: encodeJob(job, { queue }) }
  },
)

const cancelJob = operation(
  defineOperation({
    id: 'cancelJob',
    method: 'delete',
    path,
    tag,
    summary: 'Cancel a job that has not ended',
    access,
    params,
    query,
    responses: { 200: jobInQueue.nullable() },
    example: { response: { ...exampleJob, state: 'cancelled', queue: 'default' } },
  }),
  async ({ c, caller, params: { id }, query: { queue: named } }) => {
    const { queue } = await find(c.env, caller.tenant, id, named)
    const job = await callExisting(c.env, caller.tenant, queue, (own) => own.cancel(id, c.env.request))
    return { status: 200, json: job === undefined ? 'null' : encodeJob(job, { queue }) }
  },
)

const redriveJob = operation(
  defineOperation({
    id: 'redriveJob',
    method: 'post',
    path: '/v1/jobs/{id}/redrive',
    tag,
    summary: 'Let a dead or failed job try again, after the jobs it waits for',
    access,
    params,
    query,
    responses: { 200: jobInQueue },
    errors: ['conflict', 'invalid-request', 'not-allowed'],
    example: { response: { ...exampleJob, queue: 'default' } },
  }),
  async ({ c, caller, params: { id }, query: { queue: named } }) => {
    const { queue } = await find(c.env, caller.tenant, id, named)
    const job = await callExisting(c.env, caller.tenant, queue, (own) => own.redrive(id, c.env.request))
    return { status: 200, json: encodeJob('kind' in job ? accepted(job) : job, { queue }) }
  },
)

const reportProgress = operation(
  defineOperation({
    id: 'reportProgress',
    method: 'post',
    path: '/v1/jobs/{id}/progress',
    tag,
    summary: 'Report the progress of a job, from the endpoint that works on it',
    access,
    params,
    query,
    body: jobReport,
    responses: { 204: null },
    example: { body: { progress: 40, line: 'resized 4 of 10 images' } },
  }),
  async ({ c, caller, params: { id }, query: { queue: named }, body: { progress, line } }) => {
    const { queue } = await find(c.env, caller.tenant, id, named)
    await callExisting(c.env, caller.tenant, queue, (own) =>
      own.report(
        { id, ...(progress === undefined ? {} : { progress }), ...(line === undefined ? {} : { line }) },
        c.env.request,
      ),
    )
    return { status: 204 }
  },
)

/** Jobs of the tenant: background work that is kept, ordered, limited, tried again and never silently lost. */
export const jobs = [enqueueJob, enqueueJobs, readJob, cancelJob, redriveJob, reportProgress]

/** A job by its id: in the queue that is named, else in `default`, else in any other of the tenant's queues. */
async function find(env: Env, tenant: string, id: string, queue?: string) {
  const first = await findIn(env, tenant, queue ?? 'default', id)
  if (first !== undefined) return first
  if (queue !== undefined) return fail('not-found', `id: queue ${queue} has no job ${id}`)

  const [, ...others] = await callExisting(env, tenant, 'default', (first) => first.queueNames())
  const found = await Promise.all(others.map((name) => findIn(env, tenant, name, id)))
  return found.find((each) => each !== undefined) ?? fail('not-found', `id: there is no job ${id}`)
}

async function findIn(env: Env, tenant: string, queue: string, id: string) {
  if (!(await hasQueue(env, tenant, queue))) return undefined
  const job = await callExisting(env, tenant, queue, (own) => own.find(id))
  return job === undefined ? undefined : { queue, job }
}
