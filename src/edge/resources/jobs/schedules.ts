import { Hono } from 'hono'
import { jobQueueOf } from '../../../../durable-objects/address.ts'
import type { Schedule } from '../../../jobs/schedules/schedule.ts'
import { systemClock } from '../../../kernel/clock.ts'
import { jobQuery, newSchedule, scheduleName, schedulesQuery } from '../../../protocol/jobs-api.ts'
import type { App, AppContext } from '../../http/context.ts'
import { body, param, query } from '../../http/input.ts'
import { toSchedule } from './input.ts'
import { server } from '../../middleware/authenticate.ts'
import { accepted, fail } from '../../http/problem.ts'

/** Jobs that come again and again, of the tenant. A schedule lives in the queue its jobs go to. */
export const schedules = new Hono<App>()
  .get('/', async (c) => {
    const { queue, cursor = '', limit } = query(c, schedulesQuery)
    const found = await jobQueueOf(c.env, server(c).tenant, queue).schedules(cursor, limit + 1)
    const page = found.slice(0, limit)
    return c.json({ schedules: page.map(view), next: found.length > limit ? (page.at(-1)?.name ?? null) : null })
  })
  .put('/:name', async (c) => {
    const { tenant } = server(c)
    const input = await body(c, newSchedule)
    const wanted = toSchedule(c.env, param(c, 'name', scheduleName), input, systemClock.now())
    const { schedule } = accepted(await jobQueueOf(c.env, tenant, input.queue).putSchedule(wanted))
    return c.json(view(schedule))
  })
  .get('/:name', async (c) => {
    const name = param(c, 'name', scheduleName)
    const schedule = await queueOf(c).schedule(name)
    return schedule === undefined ? fail('not-found', `name: there is no schedule ${name}`) : c.json(view(schedule))
  })
  .delete('/:name', async (c) => {
    const name = param(c, 'name', scheduleName)
    const removed = await queueOf(c).removeSchedule(name)
    return removed ? c.body(null, 204) : fail('not-found', `name: there is no schedule ${name}`)
  })

const queueOf = (c: AppContext) => jobQueueOf(c.env, server(c).tenant, query(c, jobQuery).queue ?? 'default')

/** Times in milliseconds since the epoch; `note` says why the last run could not be enqueued, if so. */
const view = ({ name, when, catchUp, paused, job, nextAt, lastAt, note }: Schedule) => ({
  name,
  ...(when.kind === 'cron'
    ? { cron: when.cron, timeZone: when.timeZone, gap: when.gap, overlap: when.overlap }
    : { everySeconds: when.seconds }),
  catchUp,
  paused,
  type: job.type,
  nextAt,
  lastAt,
  note,
})
