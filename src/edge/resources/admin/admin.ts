import { Hono } from 'hono'
import { createMiddleware } from 'hono/factory'
import { gatewayNames, jobQueueOf } from '../../../../durable-objects/address.ts'
import { hashApiKey } from '../../../auth/api-key.ts'
import { loadConfig } from '../../../config.ts'
import { schedule } from '../../../cron/schedule.ts'
import { drain } from '../../../handlers/drain.ts'
import { queueFamilies } from '../../../jobs/metrics/queue-metrics.ts'
import { expositionText, expositionType } from '../../../kernel/exposition.ts'
import { systemClock } from '../../../kernel/clock.ts'
import { drainRequest } from '../../../protocol/jobs-api.ts'
import { tenantId } from '../../../tenants/record.ts'
import type { App } from '../../http/context.ts'
import { refusedMost } from '../../rate-limits/limit-metrics.ts'
import { admitAttempt, noteSuccess, noteFailure } from '../../rate-limits/failed-credentials.ts'
import { body, param } from '../../http/input.ts'
import { queueMetrics } from '../jobs/metrics.ts'
import { fail } from '../../http/problem.ts'
import { platform } from './platform.ts'
import { tenants } from '../tenants/tenants.ts'

/** Whoever operates the deployment; closed unless ADMIN_KEY is set. Compared by digests, so that time tells nothing. */
const operator = () =>
  createMiddleware<App>(async function operator(c, next) {
    const { adminKey } = loadConfig(c.env)
    const given = /^Bearer +(\S+)$/i.exec(c.req.header('authorization') ?? '')?.[1]
    if (given !== undefined) admitAttempt(c, given)
    const allowed =
      adminKey !== undefined && given !== undefined && (await hashApiKey(given)) === (await hashApiKey(adminKey))
    if (!allowed) return await noteFailure(c, given ?? '', 'Authorization: give "Bearer <ADMIN_KEY>"')
    noteSuccess(given)
    return await next()
  })

/** The operator's side: tenants, their keys, and the house's clockwork by hand. */
export const admin = new Hono<App>()
  .use(operator())
  .route('/', platform)
  .route('/tenants', tenants)
  .get('/tenants/:id/jobs/:job', async (c) => {
    const job = await jobQueueOf(c.env, param(c, 'id', tenantId), 'default').find(c.req.param('job'))
    return job === undefined ? fail('not-found', 'job: no such job') : c.json(job)
  })
  .get('/limits/refused', async (c) => {
    return c.json({ refused: await refusedMost(c.env, gatewayNames(loadConfig(c.env))) })
  })
  .get('/metrics', async (c) =>
    c.text(expositionText(queueFamilies(await queueMetrics(c.env))), 200, { 'Content-Type': expositionType }),
  )
  .get('/queues', async (c) => c.json({ queues: await queueMetrics(c.env) }))
  .post('/drain', async (c) => {
    const { seconds } = await body(c, drainRequest)
    return c.json({ left: await drain.end(seconds * 1000, (ms) => scheduler.wait(ms)) })
  })
  .get('/cron', (c) => c.json({ entries: schedule.map(({ name, cron }) => ({ name, cron })) }))
  .post('/cron/:name', async (c) => {
    const entry = schedule.find(({ name }) => name === c.req.param('name'))
    if (entry === undefined) return fail('not-found', `cron: one of ${schedule.map(({ name }) => name).join(', ')}`)
    await entry.run(c.env, systemClock.now())
    return c.json({ ran: entry.name })
  })
