import { platformOf, tenantOf } from '../../../../durable-objects/address.ts'
import { fromDependency, requestDeadlineMs } from '../../../adapters/dependency.ts'
import { openShard } from '../../../adapters/neon/shards.ts'
import { selectUsage, type DayOfUse } from '../../../adapters/neon/usage.ts'
import { loadConfig } from '../../../config.ts'
import { systemClock } from '../../../kernel/clock.ts'
import { dayOf, midnightBefore, startOfDay } from '../../../kernel/day.ts'
import { defineOperation } from '../../../protocol/operation.ts'
import { usageQuery, usageReport } from '../../../protocol/usage-api.ts'
import type { AppContext } from '../../http/context.ts'
import { operation } from '../../http/operations.ts'
import { fail } from '../../http/problem.ts'

const maxDays = 366

const readUsage = operation(
  defineOperation({
    id: 'readUsage',
    method: 'get',
    path: '/v1/usage',
    tag: 'Usage',
    summary: 'Read what you used by day (UTC)',
    description: `Counted every hour, so that the newest hour may be missing. At most ${maxDays} days; the last 31 unless given.`,
    access: 'server',
    query: usageQuery,
    responses: { 200: usageReport },
    example: {
      response: {
        from: '2026-11-01',
        to: '2026-11-30',
        days: [{ day: '2026-11-22', messages: 1200, jobs: 40, connectionsPeak: 85 }],
      },
    },
  }),
  async ({ c, caller, query }) => {
    const { to = dayOf(systemClock.now()), from = dayOf(midnightBefore(startOfDay(to), 30)) } = query
    const days = (startOfDay(to) - startOfDay(from)) / 86_400_000 + 1
    if (days < 1) fail('invalid-request', 'from, to: from must not be after to')
    if (days > maxDays) fail('invalid-request', `from, to: at most ${maxDays} days`)
    return { status: 200, body: { from, to, days: await read(c, caller.tenant, from, to) } }
  },
)

/** The use of a tenant, day by day. */
export const usage = [readUsage]

async function read(c: AppContext, tenant: string, from: string, to: string): Promise<DayOfUse[]> {
  const config = loadConfig(c.env)
  const placement = await tenantOf(c.env, tenant).placement()
  if (placement === undefined) return []
  return await fromDependency(
    placement.shard,
    async () =>
      selectUsage(
        await openShard(config, platformOf(c.env), placement.shard, 'read', requestDeadlineMs),
        tenant,
        from,
        to,
      ),
    c.env.request,
  )
}
