import { Hono } from 'hono'
import { jobQueueOf } from '../../../../durable-objects/address.ts'
import { encodeJob } from '../../../jobs/model/view.ts'
import { systemClock } from '../../../kernel/clock.ts'
import { jobId, jobQuery, jobReport, newJob, newJobs } from '../../../protocol/jobs-api.ts'
import type { App, AppContext } from '../../http/context.ts'
import { body, json, param, query } from '../../http/input.ts'
import { takeItems } from '../../rate-limits/items.ts'
import { toNewJob } from './input.ts'
import { server } from '../../middleware/authenticate.ts'
import { accepted, fail } from '../../http/problem.ts'

/** Jobs of the tenant: background work that is kept, ordered, limited, tried again and never silently lost. */
export const jobs = new Hono<App>()
  .post('/', async (c) => {
    const { tenant } = server(c)
    const { queue, ...input } = await body(c, newJob)
    const job = toNewJob(c.env, input, systemClock.now())
    const { id, state, duplicate } = accepted(await jobQueueOf(c.env, tenant, queue).enqueue(job))
    return c.json({ id, state, duplicate }, duplicate ? 200 : 201)
  })
  .post('/batch', async (c) => {
    const { tenant } = server(c)
    const { queue, jobs: inputs } = await body(c, newJobs)
    await takeItems(c.env, server(c), inputs.length)
    const now = systemClock.now()
    const wanted = inputs.map((input, index) => toNewJob(c.env, input, now, `jobs.${index}.`))
    const { receipts } = accepted(await jobQueueOf(c.env, tenant, queue).enqueueAll(wanted))
    const jobs = receipts.map(({ id, state, duplicate }) => ({ id, state, duplicate }))
    return c.json({ jobs }, jobs.every(({ duplicate }) => duplicate) ? 200 : 201)
  })
  .get('/:id', async (c) => {
    const { queue, job } = await find(c)
    return json(c, encodeJob(job, { queue }))
  })
  .delete('/:id', async (c) => {
    const { queue, id } = await find(c)
    const job = await jobQueueOf(c.env, server(c).tenant, queue).cancel(id)
    return json(c, job === undefined ? 'null' : encodeJob(job, { queue }))
  })
  .post('/:id/redrive', async (c) => {
    const { queue, id } = await find(c)
    const job = await jobQueueOf(c.env, server(c).tenant, queue).redrive(id)
    return 'kind' in job ? c.json(accepted(job)) : json(c, encodeJob(job, { queue }))
  })
  .post('/:id/progress', async (c) => {
    const { progress, line } = await body(c, jobReport)
    const { queue, id } = await find(c)
    await jobQueueOf(c.env, server(c).tenant, queue).report({
      id,
      ...(progress === undefined ? {} : { progress }),
      ...(line === undefined ? {} : { line }),
    })
    return c.body(null, 204)
  })

/** A job by its id: in the queue that is named, else in `default`, else in whichever of the tenant's has it. */
async function find(c: AppContext) {
  const { tenant } = server(c)
  const id = param(c, 'id', jobId)
  const { queue } = query(c, jobQuery)
  const first = await findIn(c, tenant, queue ?? 'default', id)
  if (first !== undefined) return first
  if (queue !== undefined) return fail('not-found', `id: queue ${queue} has no job ${id}`)

  const [, ...others] = await jobQueueOf(c.env, tenant, 'default').queueNames()
  const found = await Promise.all(others.map((name) => findIn(c, tenant, name, id)))
  return found.find((each) => each !== undefined) ?? fail('not-found', `id: there is no job ${id}`)
}

async function findIn(c: AppContext, tenant: string, queue: string, id: string) {
  const job = await jobQueueOf(c.env, tenant, queue).find(id)
  return job === undefined ? undefined : { queue, id, job }
}
