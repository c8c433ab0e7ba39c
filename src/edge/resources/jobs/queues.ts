import { Hono } from 'hono'
import { jobQueueOf } from '../../../../durable-objects/address.ts'
import { pace } from '../../../jobs/metrics/queue-metrics.ts'
import { encodeJob } from '../../../jobs/model/view.ts'
import { encodeWith } from '../../../kernel/json.ts'
import { jobsQuery, queueChange, queueName, redriveRequest } from '../../../protocol/jobs-api.ts'
import type { App, AppContext } from '../../http/context.ts'
import { body, json, param, query } from '../../http/input.ts'
import { server } from '../../middleware/authenticate.ts'

/** Queues of the tenant: how they stand, how they run, and what died in them. */
export const queues = new Hono<App>()
  .get('/', async (c) => {
    const names = await jobQueueOf(c.env, server(c).tenant, 'default').queueNames()
    return c.json({ queues: names })
  })
  .get('/:name', async (c) => {
    const { tallies, policy, ...stats } = await queue(c).stats()
    return c.json({ name: c.req.param('name'), ...policy, ...stats, types: tallies.map(pace) })
  })
  .patch('/:name', async (c) => {
    const { concurrency, rate, keyConcurrency, keyRate } = await body(c, queueChange)
    const policy = await queue(c).setPolicy({
      ...(concurrency === undefined ? {} : { concurrency }),
      ...(rate === undefined ? {} : { rate }),
      ...(keyConcurrency === undefined ? {} : { keyConcurrency }),
      ...(keyRate === undefined ? {} : { keyRate }),
    })
    return c.json({ name: c.req.param('name'), ...policy })
  })
  .post('/:name/pause', async (c) => c.json(await queue(c).setPolicy({ paused: true })))
  .post('/:name/resume', async (c) => c.json(await queue(c).setPolicy({ paused: false })))
  .get('/:name/jobs', async (c) => {
    const { state, cursor, limit } = query(c, jobsQuery)
    const { jobs, next } = await queue(c).list(state, cursor, limit)
    return json(c, encodeWith({ next }, { jobs: `[${jobs.map((job) => encodeJob(job)).join(',')}]` }))
  })
  .post('/:name/redrive', async (c) => {
    const { limit } = await body(c, redriveRequest)
    return c.json(await queue(c).redriveAll(limit))
  })
  .get('/:name/secret', async (c) => c.json({ secrets: await queue(c).secrets() }))
  .post('/:name/secret', async (c) => c.json({ secrets: await queue(c).rotateSecret() }))

const queue = (c: AppContext) => jobQueueOf(c.env, server(c).tenant, param(c, 'name', queueName))
