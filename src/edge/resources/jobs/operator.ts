import { z } from 'zod'
import { jobQueueOf } from '../../../../durable-objects/address.ts'
import { drain } from '../../../handlers/drain.ts'
import { drainRequest, jobDetails } from '../../../protocol/jobs-api.ts'
import { defineOperation } from '../../../protocol/operation.ts'
import { tenantId } from '../../../tenants/record.ts'
import { operation } from '../../http/operations.ts'
import { fail } from '../../http/problem.ts'
import { exampleJob } from './examples.ts'

const tag = 'Operator'
const access = 'operator'

const readTenantJob = operation(
  defineOperation({
    id: 'readTenantJob',
    method: 'get',
    path: '/admin/v1/tenants/{id}/jobs/{job}',
    tag,
    summary: 'Read a job of a tenant, in its default queue',
    access,
    params: z.object({ id: tenantId, job: z.string() }),
    responses: { 200: jobDetails.omit({ queue: true }).meta({ id: 'TenantJob' }) },
    example: { response: { ...exampleJob, lines: [] } },
  }),
  async ({ c, params: { id, job: name } }) => {
    const job = await jobQueueOf(c.env, id, 'default').find(name)
    return job === undefined ? fail('not-found', 'job: no such job') : { status: 200, body: job }
  },
)

const drainJobs = operation(
  defineOperation({
    id: 'drainJobs',
    method: 'post',
    path: '/admin/v1/drain',
    tag,
    summary: 'Start no more jobs here, and wait for those that run',
    access,
    body: drainRequest,
    optionalBody: true,
    responses: { 200: z.object({ left: z.int().describe('Worker runs that still run') }) },
    example: { body: { seconds: 5 }, response: { left: 0 } },
  }),
  async ({ body: { seconds } }) => ({
    status: 200,
    body: { left: await drain.end(seconds * 1000, (ms) => scheduler.wait(ms)) },
  }),
)

/** What operators do with jobs. */
export const jobsForOperators = [readTenantJob, drainJobs]
