import { jobQueueOf } from '../../../../durable-objects/address.ts'
import { loadConfig } from '../../../config.ts'
import type { Env } from '../../../env.ts'
import type { NewJob } from '../../../jobs/model/job.ts'
import { encodePost } from '../../../webhooks/endpoint-post.ts'
import { badEndpoint } from '../../../kernel/outside-url.ts'
import { systemClock } from '../../../kernel/clock.ts'
import { uuidv7 } from '../../../kernel/id.ts'
import { jobReceipt } from '../../../protocol/job-fields.ts'
import { newJob, type JobInput } from '../../../protocol/new-job.ts'
import { defineOperation } from '../../../protocol/operation.ts'
import { operation } from '../../http/operations.ts'
import { accepted, fail } from '../../http/problem.ts'
import { whenQueueAdmitted } from './existing-queue.ts'

export const exampleReceipt = { id: 'welcome-alice', state: 'waiting', duplicate: false } as const

export const enqueueJob = operation(
  defineOperation({
    id: 'enqueueJob',
    method: 'post',
    path: '/v1/jobs',
    tag: 'Jobs',
    summary: 'Enqueue a job',
    description: 'The same id again is the same job: a repeat is answered with 200 and `duplicate: true`.',
    access: 'server',
    body: newJob,
    responses: { 201: jobReceipt, 200: jobReceipt },
    errors: ['conflict'],
    example: {
      body: { id: 'welcome-alice', url: 'https://example.com/jobs/welcome', payload: { user: 'alice' } },
      response: exampleReceipt,
    },
  }),
  async ({ c, caller, body: { queue, ...input } }) => {
    const job = toNewJob(c.env, input, systemClock.now())
    if (loadConfig(c.env).maxOpenActors !== Infinity) await whenQueueAdmitted(c.env, caller.tenant, queue)
    const { id, state, duplicate } = accepted(await jobQueueOf(c.env, caller.tenant, queue).enqueue(job, c.env.request))
    const body = { id, state, duplicate }
    return duplicate ? { status: 200, body } : { status: 201, body }
  },
)

/**
 * A job as the API is given it, in the terms of the queue. An endpoint that may not be called is refused here; `where` says which
 * of many jobs it belongs to, `jobs.3.`.
 */
export function toNewJob(env: Env, input: JobInput, now: number, where = ''): NewJob {
  const { id, delaySeconds = 0, runAt, ...rest } = input
  return {
    ...toWork(env, rest, where),
    id: id ?? uuidv7(now),
    runAt: runAt ?? (delaySeconds > 0 ? now + delaySeconds * 1000 : 0),
  }
}

type WorkInput = Omit<JobInput, 'id' | 'delaySeconds' | 'runAt'>

/** What a job does and how, without when. */
export function toWork(env: Env, input: WorkInput, where = ''): Omit<NewJob, 'id' | 'runAt'> {
  const { type, url, payload = 'null', timeoutSeconds, keepSeconds, ...options } = input
  const bad = url === undefined ? undefined : badEndpoint(url, loadConfig(env).endpoints)
  if (bad !== undefined) fail('invalid-request', where + bad)
  return {
    ...options,
    type,
    payload: url === undefined ? '{}' : encodePost({ url, payload }),
    ...(timeoutSeconds === undefined ? {} : { timeoutMs: timeoutSeconds * 1000 }),
    ...(keepSeconds === undefined ? {} : { keepMs: keepSeconds * 1000 }),
  }
}
