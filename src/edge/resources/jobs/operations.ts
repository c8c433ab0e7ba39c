import {
  jobQuery,
  jobReport,
  jobsQuery,
  newJob,
  newJobs,
  newSchedule,
  queueChange,
  redriveRequest,
  schedulesQuery,
} from '../../../protocol/jobs-api.ts'
import { usageQuery } from '../../../protocol/usage-api.ts'
import type { Operation } from '../../openapi/openapi.ts'

const job = '/v1/jobs/{id}'
const queue = '/v1/queues/{name}'
const schedule = '/v1/schedules/{name}'

type Detail = Pick<Operation, 'body' | 'query' | 'repeat'>

const operation =
  (tag: string) =>
  (method: Operation['method'], path: string, summary: string, success: [number, string], detail: Detail = {}) => ({
    method,
    path,
    tag,
    summary,
    success: { status: success[0], says: success[1] },
    ...detail,
  })

const jobs = operation('Jobs')
const queues = operation('Queues')
const schedules = operation('Schedules')
const usage = operation('Usage')

/** The operations of /v1/jobs, /v1/queues, /v1/schedules and /v1/usage, for the OpenAPI document. All need an API key. */
export const jobOperations: readonly Operation[] = [
  jobs('post', '/v1/jobs', 'Enqueue a job; the same id again is the same job', [201, '{id, state, duplicate}'], {
    body: newJob,
    repeat: '{id, state, duplicate: true}',
  }),
  jobs('post', '/v1/jobs/batch', 'Enqueue many jobs: all of them, or none', [201, '{jobs}'], {
    body: newJobs,
    repeat: '{jobs}, when all of them were there',
  }),
  jobs('get', job, 'Read a job, in whichever queue it is', [200, 'the job'], { query: jobQuery }),
  jobs('delete', job, 'Cancel a job that has not ended', [200, 'the job'], { query: jobQuery }),
  jobs('post', `${job}/redrive`, 'Let a dead or failed job try again, after those it waits for', [200, 'the job'], {
    query: jobQuery,
  }),
  jobs('post', `${job}/progress`, 'Tell how far the work is, from where it is done', [204, 'noted'], {
    body: jobReport,
    query: jobQuery,
  }),
  queues('get', '/v1/queues', 'List the names of your queues', [200, '{queues}']),
  queues('get', queue, 'Read how a queue stands and by which rules it runs', [200, 'the queue']),
  queues('patch', queue, 'Change how many jobs of a queue run at once, and how fast', [200, 'its rules'], {
    body: queueChange,
  }),
  queues('post', `${queue}/pause`, 'Start no more jobs of a queue', [200, 'its rules']),
  queues('post', `${queue}/resume`, 'Go on with a paused queue', [200, 'its rules']),
  queues('get', `${queue}/jobs`, 'List jobs of a queue by state, the dead ones unless said', [200, '{jobs, next}'], {
    query: jobsQuery,
  }),
  queues('post', `${queue}/redrive`, 'Let dead jobs of a queue try again', [200, '{redriven, skipped}'], {
    body: redriveRequest,
  }),
  queues('get', `${queue}/secret`, 'Read what a queue signs its calls with', [200, '{secrets}']),
  queues('post', `${queue}/secret`, 'Change that; the old secret signs along for a while', [200, '{secrets}']),
  schedules(
    'get',
    '/v1/schedules',
    'List the schedules of a queue by name, a page at a time',
    [200, '{schedules, next}'],
    { query: schedulesQuery },
  ),
  schedules('put', schedule, 'Make or change a job that comes again and again', [200, 'the schedule'], {
    body: newSchedule,
  }),
  schedules('get', schedule, 'Read a schedule', [200, 'the schedule'], { query: jobQuery }),
  schedules('delete', schedule, 'End a schedule', [204, 'ended'], { query: jobQuery }),
  usage(
    'get',
    '/v1/usage',
    'Read what you used by day (UTC), up to an hour ago',
    [200, '{from, to, days: [{day, messages, jobs, connectionsPeak}]}; days without any use are left out'],
    { query: usageQuery },
  ),
]
