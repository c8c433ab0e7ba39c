import { Hono } from 'hono'
import { tenantOf } from '../../../../durable-objects/address.ts'
import { fromDependency, requestDeadlineMs } from '../../../adapters/dependency.ts'
import { connect } from '../../../adapters/neon/connect.ts'
import { selectUsage, type DayOfUse } from '../../../adapters/neon/usage.ts'
import { loadConfig } from '../../../config.ts'
import { systemClock } from '../../../kernel/clock.ts'
import { dayOf, midnightBefore, startOfDay } from '../../../kernel/day.ts'
import { usageQuery } from '../../../protocol/usage-api.ts'
import type { App, AppContext } from '../../http/context.ts'
import { query } from '../../http/input.ts'
import { server } from '../../middleware/authenticate.ts'
import { fail } from '../../http/problem.ts'

const maxDays = 366

/** What the tenant used, day by day: counted every hour, so that the newest hour may be missing. */
export const usage = new Hono<App>().get('/', async (c) => {
  const { tenant } = server(c)
  const { to = dayOf(systemClock.now()), from = dayOf(midnightBefore(startOfDay(to), 30)) } = query(c, usageQuery)
  const days = (startOfDay(to) - startOfDay(from)) / 86_400_000 + 1
  if (days < 1) fail('invalid-request', 'from, to: from must not be after to')
  if (days > maxDays) fail('invalid-request', `from, to: at most ${maxDays} days`)
  return c.json({ from, to, days: await read(c, tenant, from, to) })
})

async function read(c: AppContext, tenant: string, from: string, to: string): Promise<DayOfUse[]> {
  const config = loadConfig(c.env)
  const placement = await tenantOf(c.env, tenant).placement()
  if (placement === undefined) return []
  return await fromDependency(placement.shard, () =>
    selectUsage(connect(config, config.shardUrl(placement.shard), requestDeadlineMs), tenant, from, to),
  )
}
