import { Hono } from 'hono'
import { createMiddleware } from 'hono/factory'
import { gatewayNames, houseTenant, jobQueueOf, tenantOf } from '../../../durable-objects/address.ts'
import { hashApiKey, newApiKey } from '../../auth/api-key.ts'
import { loadConfig } from '../../config.ts'
import { schedule } from '../../cron/schedule.ts'
import { shift } from '../../handlers/shift.ts'
import { queueLines } from '../../jobs/figures.ts'
import { systemClock } from '../../kernel/clock.ts'
import { randomToken } from '../../kernel/id.ts'
import { newTenant, tenantChange } from '../../protocol/api.ts'
import { drainRequest } from '../../protocol/jobs-api.ts'
import { tenantId } from '../../tenants/record.ts'
import type { App } from '../context.ts'
import { refusedMost } from '../limit-metrics.ts'
import { admitGuess, noteGood, refuseGuess } from '../failed-credentials.ts'
import { body, param } from '../input.ts'
import { jobFigures } from '../job-figures.ts'
import { fail } from '../problem.ts'
import { forgetTenant } from '../tenants.ts'
import { house, requirePlan } from './house.ts'

/** Whoever operates the deployment; closed unless ADMIN_KEY is set. Compared by digests, so that time tells nothing. */
const operator = () =>
  createMiddleware<App>(async function operator(c, next) {
    const { adminKey } = loadConfig(c.env)
    const given = /^Bearer +(\S+)$/i.exec(c.req.header('authorization') ?? '')?.[1]
    if (given !== undefined) admitGuess(c, given)
    const allowed =
      adminKey !== undefined && given !== undefined && (await hashApiKey(given)) === (await hashApiKey(adminKey))
    if (!allowed) return await refuseGuess(c, given ?? '', 'Authorization: give "Bearer <ADMIN_KEY>"')
    noteGood(given)
    return await next()
  })

/** The operator's side: tenants, their keys, and the house's clockwork by hand. */
export const admin = new Hono<App>()
  .use(operator())
  .route('/', house)
  .put('/tenants/:id', async (c) => {
    const id = param(c, 'id', tenantId)
    if (id === houseTenant) fail('invalid-request', `id: "${id}" is the house's own name`)
    const { name, plan, limits } = await body(c, newTenant)
    await requirePlan(c.env, plan)
    const { localTenant, localApiKey } = loadConfig(c.env)
    const local = id === localTenant && localApiKey !== undefined
    const key = local ? localApiKey : newApiKey(id)
    const record = await tenantOf(c.env, id).provision({
      id,
      name,
      plan,
      limits: limits ?? {},
      key: { id: local ? 'local' : randomToken(8), hash: await hashApiKey(key) },
    })
    await forgetTenant(c.env, id)
    return c.json({ id, name, placement: record.placement, plan: record.plan, limits: record.limits, apiKey: key })
  })
  .patch('/tenants/:id', async (c) => {
    const id = param(c, 'id', tenantId)
    const { state } = await body(c, tenantChange)
    const record = await tenantOf(c.env, id).setState(state)
    await forgetTenant(c.env, id)
    return record === undefined ? fail('not-found', 'id: no such tenant') : c.json({ id, state: record.state })
  })
  .delete('/tenants/:id/keys/:key', async (c) => {
    const id = param(c, 'id', tenantId)
    const revoked = await tenantOf(c.env, id).revokeKey(c.req.param('key'))
    await forgetTenant(c.env, id)
    return revoked ? c.body(null, 204) : fail('not-found', 'key: no such key')
  })
  .get('/tenants/:id/jobs/:job', async (c) => {
    const job = await jobQueueOf(c.env, param(c, 'id', tenantId), 'default').find(c.req.param('job'))
    return job === undefined ? fail('not-found', 'job: no such job') : c.json(job)
  })
  .get('/limits/refused', async (c) => {
    return c.json({ refused: await refusedMost(c.env, gatewayNames(loadConfig(c.env))) })
  })
  .get('/metrics', async (c) =>
    c.text(`${queueLines(await jobFigures(c.env)).join('\n')}\n`, 200, { 'Content-Type': 'text/plain; version=0.0.4' }),
  )
  .get('/queues', async (c) => c.json({ queues: await jobFigures(c.env) }))
  .post('/drain', async (c) => {
    const { seconds } = await body(c, drainRequest)
    return c.json({ left: await shift.end(seconds * 1000, (ms) => scheduler.wait(ms)) })
  })
  .get('/cron', (c) => c.json({ entries: schedule.map(({ name, cron }) => ({ name, cron })) }))
  .post('/cron/:name', async (c) => {
    const entry = schedule.find(({ name }) => name === c.req.param('name'))
    if (entry === undefined) return fail('not-found', `cron: one of ${schedule.map(({ name }) => name).join(', ')}`)
    await entry.run(c.env, systemClock.now())
    return c.json({ ran: entry.name })
  })
