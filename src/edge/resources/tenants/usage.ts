import { z } from 'zod'
import { platformOf, tenantOf } from '../../../../durable-objects/address.ts'
import { fromDependency, requestDeadlineMs } from '../../../adapters/dependency.ts'
import { openShard } from '../../../adapters/neon/shards.ts'
import { selectUsage, type DayOfUse, type StoredMessages } from '../../../adapters/neon/usage.ts'
import { loadConfig } from '../../../config.ts'
import { systemClock } from '../../../kernel/clock.ts'
import { dayOf, midnightBefore, startOfDay } from '../../../kernel/day.ts'
import { defineOperation } from '../../../protocol/operation.ts'
import { actorSizes, storageQuery, usageQuery, usageReport, type UsageReport } from '../../../protocol/usage-api.ts'
import type { AppContext } from '../../http/context.ts'
import { operation } from '../../http/operations.ts'
import { fail } from '../../http/problem.ts'
import { tenantId } from '../../../tenants/record.ts'
import { noSuchTenant } from './shown.ts'

const maxDays = 366
const example = {
  from: '2026-11-01',
  to: '2026-11-30',
  days: [
    {
      day: '2026-11-22',
      messages: 1200,
      jobs: 40,
      connectionsPeak: 85,
      requests: 5100,
      commands: 9800,
      messageBytes: 240_000,
    },
  ],
  next: null,
  stored: { messages: 91_000, bytes: 18_200_000 },
}
const description = `Counted every hour, so that the newest hour may be missing. At most ${maxDays} days; the last 31 unless given. Requests and commands are reported about once a minute by the processes that counted them, so that a figure may lack the last minute of a process that ended.`

const readUsage = operation(
  defineOperation({
    id: 'readUsage',
    method: 'get',
    path: '/v1/usage',
    tag: 'Usage',
    summary: 'Read what you used by day (UTC)',
    description,
    access: 'server',
    query: usageQuery,
    responses: { 200: usageReport },
    example: { response: example },
  }),
  async ({ c, caller, query }) => ({ status: 200, body: await report(c, caller.tenant, query) }),
)

/** The use of a tenant, day by day, for the tenant itself. */
export const usage = [readUsage]

/** The same for the operator. */
export const readTenantUsage = operation(
  defineOperation({
    id: 'readTenantUsage',
    method: 'get',
    path: '/admin/v1/tenants/{id}/usage',
    tag: 'Operator',
    summary: 'Read what a tenant used by day (UTC)',
    description,
    access: 'operator',
    params: z.object({ id: tenantId }),
    query: usageQuery,
    responses: { 200: usageReport },
    errors: ['gone'],
    example: { response: example },
  }),
  async ({ c, params: { id }, query }) => {
    if ((await tenantOf(c.env, id).record()) === undefined) return await noSuchTenant(c.env, id)
    return { status: 200, body: await report(c, id, query) }
  },
)

/** What the actors of a tenant store; `usage` has what its shard stores. */
export const readTenantStorage = operation(
  defineOperation({
    id: 'readTenantStorage',
    method: 'get',
    path: '/admin/v1/tenants/{id}/storage',
    tag: 'Operator',
    summary: 'Read what the actors of a tenant store',
    description:
      'Page by page; add up the pages. Each actor is opened for it, which is billed like a request, so ask seldom. A conversation of the last seconds, which Postgres does not have yet, is missing; while the tenant moves, actors may be counted twice.',
    access: 'operator',
    params: z.object({ id: tenantId }),
    query: storageQuery,
    responses: { 200: actorSizes },
    errors: ['gone'],
    example: { response: { actors: [{ class: 'Conversation', actors: 120, bytes: 14_745_600 }], next: null } },
  }),
  async ({ c, params: { id }, query: { cursor = '' } }) => {
    const tenant = tenantOf(c.env, id)
    if ((await tenant.record()) === undefined || (await tenant.placement()) === undefined)
      return await noSuchTenant(c.env, id)
    if (cursor !== '' && !/^\d{1,3} /.test(cursor)) fail('invalid-request', 'cursor: give `next` of the page before')
    const ask = async () => await tenant.measureActors(cursor)
    return { status: 200, body: await fromDependency(`the actors of ${id}, or a shard`, ask, c.env.request) }
  },
)

async function report(c: AppContext, tenant: string, query: z.output<typeof usageQuery>): Promise<UsageReport> {
  const { to = dayOf(systemClock.now()), from = dayOf(midnightBefore(startOfDay(to), 30)), limit = maxDays } = query
  const length = (startOfDay(to) - startOfDay(from)) / 86_400_000 + 1
  if (length < 1) fail('invalid-request', 'from, to: from must not be after to')
  if (length > maxDays) fail('invalid-request', `from, to: at most ${maxDays} days`)
  const { days, stored } = await read(c, tenant, { from, to, limit: limit + 1 })
  return { from, to, days: days.slice(0, limit), next: days[limit]?.day ?? null, stored }
}

async function read(
  c: AppContext,
  tenant: string,
  asked: { readonly from: string; readonly to: string; readonly limit: number },
): Promise<{ readonly days: DayOfUse[]; readonly stored: StoredMessages }> {
  const config = loadConfig(c.env)
  const placement = await tenantOf(c.env, tenant).placement()
  if (placement === undefined) return { days: [], stored: { messages: 0, bytes: 0 } }
  return await fromDependency(
    placement.shard,
    async () =>
      await selectUsage(
        await openShard(config, platformOf(c.env), placement.shard, 'read', requestDeadlineMs),
        tenant,
        asked,
      ),
    c.env.request,
  )
}
